import { complete } from "/graphql/explorer/complete.js";
import { showSchema } from "/graphql/explorer/schema.js";

const byId = (id) => document.getElementById(id);
const [query, variables, headers, answer, took, stop] =
  ["query", "variables", "headers", "answer", "took", "stop"].map(byId);

const FIRST = `# Whatever changes goes by commands, over REST: see /docs/.
{
  tickets(first: 10) {
    nodes { id title price { amount currency } available version }
    pageInfo { hasNextPage endCursor }
  }
  me { id email }
}
`;
const KEPT_MAX = 30;
const ANSWERS_MAX = 200;
let running = null;

function kept() {
  try { return JSON.parse(localStorage.getItem("graphql.asked")) ?? []; } catch { return []; }
}

// Questions only: headers may hold a token, and answers what is nobody else's business.
function keep(entry) {
  const others = kept().filter((it) => it.query !== entry.query);
  localStorage.setItem("graphql.asked", JSON.stringify([entry, ...others].slice(0, KEPT_MAX)));
  showKept();
}

function showKept() {
  const select = byId("history");
  select.replaceChildren(new Option("…", ""));
  kept().forEach((it, index) => {
    select.add(new Option(it.query.replace(/#.*|\s+/g, " ").trim().slice(0, 60), String(index)));
  });
}

function read(area) {
  const text = area.value.trim();
  try { return text ? JSON.parse(text) : {}; } catch (error) {
    throw new Error(`${area.getAttribute("aria-label")}: ${error.message}`);
  }
}

function isSubscription(text) {
  return /^\s*(#[^\n]*\n\s*)*subscription\b/.test(text);
}

async function ask() {
  running?.abort();
  running = new AbortController();
  const began = performance.now();
  answer.textContent = "…";
  try {
    const body = { query: query.value, variables: read(variables) };
    const follows = isSubscription(query.value);
    const response = await fetch("/graphql", {
      method: "POST",
      signal: running.signal,
      headers: {
        "content-type": "application/json",
        ...(follows ? { accept: "text/event-stream" } : {}),
        ...read(headers),
      },
      body: JSON.stringify(body),
    });
    keep({ query: query.value, variables: variables.value });
    if (follows && response.ok) { await follow(response); return; }
    answer.textContent = JSON.stringify(await response.json(), null, 2);
    took.textContent = `${response.status}, ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    if (error.name !== "AbortError") { answer.textContent = String(error.message ?? error); }
  }
}

async function follow(response) {
  stop.hidden = false;
  answer.textContent = "";
  took.textContent = "what changes appears here, newest first";
  const answers = [];
  let text = "";
  try {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      text += step.value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: {"));
        if (data) { answers.unshift(JSON.stringify(JSON.parse(data.slice(6)), null, 2)); }
      }
      answers.length = Math.min(answers.length, ANSWERS_MAX);
      answer.textContent = answers.join("\n");
    }
    took.textContent = "ended";
  } finally {
    stop.hidden = true;
  }
}

// One selection a line, by its brackets; strings and remarks stay as they are.
function tidy(text) {
  let depth = 0;
  let round = 0;
  const parts = text.match(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|[{}()]|[^\s{}()"#]+|\s+/g) ?? [];
  let out = "";
  const line = () => { out = `${out.trimEnd()}\n${"  ".repeat(depth)}`; };
  for (const part of parts) {
    if (part === "{" && !round) { depth += 1; out = `${out.trimEnd()} {`; line(); }
    else if (part === "}" && !round) { depth = Math.max(0, depth - 1); line(); out += "}"; line(); }
    else if (part.startsWith("#")) { out += part; line(); }
    else if (/^\s+$/.test(part)) {
      if (!round && part.includes("\n")) { line(); } else if (!/\n *$/.test(out)) { out += " "; }
    }
    else { round += part === "(" ? 1 : part === ")" ? -1 : 0; out += part; }
  }
  return `${out.replace(/[ \t]+\n/g, "\n").replace(/\n{2,}/g, "\n").trim()}\n`;
}

byId("ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
byId("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  }
});
stop.addEventListener("click", () => running?.abort());
byId("tidy").addEventListener("click", () => { query.value = tidy(query.value); });
byId("history").addEventListener("change", (event) => {
  const entry = kept()[Number(event.target.value)];
  if (event.target.value !== "" && entry) {
    query.value = entry.query;
    variables.value = entry.variables ?? "{}";
  }
});

query.value = kept()[0]?.query ?? FIRST;
showKept();
const schema = await showSchema(byId("docs"), byId("search"), read(headers));
complete(query, byId("words"), schema);
