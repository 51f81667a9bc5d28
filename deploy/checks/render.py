"""Renders the chart in every case of cases.yaml, by Helm's own engine, and checks what comes out
against the schemas of Kubernetes.

Prints {"documents": {case: [...]}, "problems": [...]}. Rules of our own, and kinds that Kubernetes
does not know, are checked by whoever reads it.
"""

import json
import sys
from pathlib import Path

import helm_python
import kubernetes_validate
import promql_parser
import yaml

HERE = Path(__file__).parent
CHART = HERE.parent / "helm" / "ticketing"
KUBERNETES = "1.37.0"


def merged(below, above):
    """As Helm does it: maps are merged, everything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def values_of(case):
    values = {}
    for file in case.get("files", []):
        values = merged(values, yaml.safe_load((CHART / file).read_text()))
    return merged(values, case.get("values", {}))


def rendered(chart, values):
    files = chart.render(values, name="shop", namespace="tickets")
    notes = [file for file in files if file.endswith("NOTES.txt")]
    assert notes, "NOTES.txt is not rendered"
    texts = [text for file, text in files.items() if file not in notes]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def schema_problems(document):
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        pass
    except kubernetes_validate.ValidationError as error:
        place = "/".join(map(str, error.path))
        yield f"{document['kind']} {document['metadata']['name']}: {place}: {error.message}"


def expression_problems(document):
    for group in document.get("spec", {}).get("groups", []):
        for rule in group["rules"]:
            try:
                promql_parser.parse(rule["expr"])
            except ValueError as error:
                yield f"{rule['alert']}: {error}"


def main():
    chart = helm_python.Chart.load(str(CHART))
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    documents, problems, seen = {}, [], set()
    for name, case in cases["renders"].items():
        values = values_of(case)
        report = helm_python.lint(str(CHART), values, strict=True)
        lint = [message["error"] for message in report["messages"] if message["severity"] > 1]
        documents[name] = rendered(chart, values)
        found = list(lint)
        for document in documents[name]:
            text = json.dumps(document)
            # Most are the same in most cases.
            if text in seen:
                continue
            seen.add(text)
            found += schema_problems(document)
            if document["kind"] == "PrometheusRule":
                found += expression_problems(document)
        problems += [f"{name}: {problem}" for problem in found]
    for name, case in cases["refuses"].items():
        try:
            chart.render(values_of(case), name="shop", namespace="tickets")
            problems.append(f"{name}: is not refused")
        except helm_python.HelmError as error:
            if case["place"] not in str(error):
                problems.append(f"{name}: the refusal does not name {case['place']}: {error}")
    for document in yaml.safe_load_all((HERE.parent / "dev" / "backing.yaml").read_text()):
        problems += [f"backing.yaml: {problem}" for problem in schema_problems(document)]
    json.dump({"documents": documents, "problems": problems}, sys.stdout)


main()
