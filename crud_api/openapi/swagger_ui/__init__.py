"""Swagger UI, as its authors publish it on npm, and the page around it. `make swagger-ui` fetches another version.

The files here are compressed. The API returns them as text, because API Gateway accepts binary bodies only from APIs
that are set up for them. The largest file has 1.7 MB; a Lambda can return 6 MB.
"""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent
VERSION: str = json.loads((_FOLDER / "source.json").read_text())["version"]
_JAVASCRIPT, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"

# validatorUrl: without null, Swagger UI would send the description to swagger.io.
# A list has a filter for each operator of each column. The page hides the filters, the cursor and the headers at first,
# so that a request fits on one screen.
_START = """\
const folded = (parameters) => {
  const names = parameters.map((one) => one.get("name"));
  const isFilter = (one) => names.includes(String(one.get("name")).split("[")[0] + "[ne]");
  return (one) => isFilter(one) || one.get("name") === "cursor" || one.get("in") === "header";
};
const FoldParameters = () => ({
  wrapComponents: {
    parameters: (Original, { React }) => (props) => {
      const [open, setOpen] = React.useState(false);
      const isFolded = folded(props.parameters);
      const number = props.parameters.filter(isFolded).count();
      if (number < 10) return React.createElement(Original, props);
      const parameters = open ? props.parameters : props.parameters.filterNot(isFolded);
      const label = open ? "Show fewer parameters" : `Show ${number} more: filters, cursor, headers`;
      return React.createElement(
        "div",
        null,
        React.createElement("button", { className: "btn", type: "button", onClick: () => setOpen(!open) }, label),
        React.createElement(Original, { ...props, parameters }),
      );
    },
  },
});
window.ui = SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#description",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
  plugins: [FoldParameters],
});
"""
_START_NAME = f"start-{sha256(_START.encode()).hexdigest()[:12]}.js"
_SCRIPT_NAME, _STYLE_NAME = f"swagger-ui-bundle-{VERSION}.js", f"swagger-ui-{VERSION}.css"
# The URLs are relative, because the path begins with API Gateway's stage or with the base path of a custom domain.
# {{below}} is the relative URL from the page to its files. It is different for /docs and /docs/.
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>crud-api</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{{below}}{_STYLE_NAME}">
<script src="{{below}}{_SCRIPT_NAME}" defer></script>
<script src="{{below}}{_START_NAME}" defer></script>
</head>
<body>
<main id="description"></main>
<noscript>This page needs JavaScript; <a href="{{below}}../openapi.json">openapi.json</a> does not.</noscript>
</body>
</html>
"""


def page(below: str) -> str:
    """The HTML of the page. `below` is the relative URL of the folder with its files: `docs/`, or empty."""
    return _PAGE.format(below=below)


def asset(name: str) -> tuple[str, str] | None:
    """A file of the page and its media type. None if there is no such file."""
    if name == _START_NAME:
        return _START, _JAVASCRIPT
    if name == _SCRIPT_NAME:
        return _read("swagger-ui-bundle.js"), _JAVASCRIPT
    if name == _STYLE_NAME:
        return _read("swagger-ui.css"), _CSS
    return None


def _read(name: str) -> str:
    return gzip.decompress((_FOLDER / f"{name}.gz").read_bytes()).decode()
