"""Fetches the OpenAPI document that is beside an endpoint, and says everything that is wrong with it:
by the official schema of OpenAPI 3.1 and the validator's own rules (references, ids, defaults), and for
each schema by JSON Schema's own."""

import json
import sys
import urllib.parse
import urllib.request

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

url = urllib.parse.urljoin(sys.argv[1], "/openapi.json")
with urllib.request.urlopen(url, timeout=30) as answer:
    document = json.load(answer)

wrong = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
metaschema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
for name, schema in document["components"]["schemas"].items():
    wrong += [f"{name}: {error.message}" for error in metaschema.iter_errors(schema)]
ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
print(json.dumps({"wrong": wrong, "paths": len(document["paths"]), "ids": len(set(ids))}))
