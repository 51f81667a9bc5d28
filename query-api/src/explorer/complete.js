// Completion: what may stand where the cursor is.

import { nameOf } from "/graphql/explorer/schema.js";

const TOKEN = /"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|\.\.\.|[{}()]|\$?\w+|:/g;

/// The type whose fields may stand at the end of a text, and the field whose arguments may.
function here(text, { types, roots }) {
  const stack = [];
  let next = types.get(roots.query);
  let field = null;
  let round = null;
  let before = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith('"') || token.startsWith("#")) { continue; }
    if (token === "(") { round = field ?? {}; }
    else if (token === ")") { round = null; }
    else if (round) { /* An argument or its value. */ }
    else if (token === "{") { stack.push(next); field = null; }
    else if (token === "}") { next = stack.pop(); field = null; }
    else if (!stack.length) {
      if (token === "subscription") { next = types.get(roots.subscription); }
      else if (before === "on") { next = types.get(token); }
    } else if (before === "on") { next = types.get(token); }
    else if (/^\w/.test(token) && token !== "on") {
      field = stack.at(-1)?.fields?.find((it) => it.name === token) ?? null;
      next = field && types.get(nameOf(field.type));
    }
    before = token;
  }
  return { type: stack.at(-1), field: round };
}

function words(text, schema) {
  const { type, field } = here(text, schema);
  if (field) { return (field.args ?? []).map((it) => ({ text: `${it.name}: `, about: it.description })); }
  const fields = (type?.fields ?? []).map((it) => ({ text: it.name, about: it.description }));
  return type ? fields : ["query", "subscription", "fragment"].map((text) => ({ text }));
}

/// Shows what fits on Ctrl+Space; arrows choose, Enter and Tab take.
export function complete(area, list, schema) {
  let found = [];
  let chosen = 0;
  const close = () => { list.hidden = true; found = []; };
  const begun = () => area.value.slice(0, area.selectionStart).match(/\w*$/)[0];
  const take = () => {
    area.setRangeText(found[chosen].text, area.selectionStart - begun().length, area.selectionStart, "end");
    close();
  };
  const show = () => {
    const start = begun();
    const before = area.value.slice(0, area.selectionStart - start.length);
    found = words(before, schema).filter((it) => it.text.toLowerCase().startsWith(start.toLowerCase()));
    chosen = 0;
    draw();
  };
  const draw = () => {
    list.hidden = !found.length;
    list.replaceChildren(...found.map((it, index) => {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === chosen));
      item.textContent = [it.text, it.about].filter(Boolean).join("  ");
      item.addEventListener("mousedown", (event) => { event.preventDefault(); chosen = index; take(); });
      return item;
    }));
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  };
  area.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); show(); return; }
    if (list.hidden) { return; }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { chosen = (chosen + step + found.length) % found.length; draw(); }
    else if ((event.key === "Enter" && !event.ctrlKey) || event.key === "Tab") { take(); }
    else if (event.key === "Escape") { close(); }
    else { return; }
    event.preventDefault();
  });
  area.addEventListener("input", () => { if (!list.hidden) { show(); } });
  area.addEventListener("blur", close);
}
