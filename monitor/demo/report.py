"""The demo's report: one self-contained HTML file that is readable without its script."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from monitor import __version__
from monitor.demo.plots import PLOTS, plot_data
from monitor.demo.scenario import Story
from monitor.demo.summary import summarise
from monitor.web.rendering import asset

ASSETS = Path(__file__).parent / "assets"
NAMES = {
    "growth": "Corpus growth",
    "model_push": "Model version push",
    "silent_push": "Silent push",
    "adapter": "Drift-Adapter",
}
GLOSSARY = (
    ("window", "a span of the log, here one hour; each is judged once"),
    ("baseline", "frozen quiet history that windows are compared with"),
    ("reading", "what one detector measured in one window: value, sample size, p-value"),
    (
        "evidence",
        "what time has added up to; it fires at a threshold that one false-alarm budget gives to all streams",
    ),
    ("canary", "a fixed text embedded anew in every window and compared with its stored vector"),
    (
        "reference suite",
        "judged questions asked again in every window: recall@K, and era recall without newcomers",
    ),
    ("cause", "named by controlled comparisons: what stood still tells as much as what moved"),
)


def write_report(story: Story, path: Path) -> None:
    """Write the report of ``story`` to ``path``."""
    path.write_text(render_report(story), encoding="utf-8")


def render_report(story: Story) -> str:
    """Return the report as HTML; the same story gives the same text."""
    summary = summarise(story)
    charts = "".join(_chart_section(p.id, p.title, p.text) for p in PLOTS)
    charts += _chart_section(
        "evidence",
        "What time adds up to: evidence against the threshold",
        "Powers of ten; large dots fire. One budget, a false page in 90 days, sets the line for all streams.",
    )
    glossary = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in GLOSSARY)
    documents = f"{story.facts['documents_after']:,.0f}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Retrieval Drift Monitor: three acts of drift</title>
<style>{_asset("report.css")}</style>
</head>
<body>
<main>
<h1>Three acts of retrieval drift</h1>
<p class="lead">{documents} documentation strings of the Python standard library, asked by their first
sentences, embedded by real models; the traffic is simulated (seed {story.seed}), the pipeline that watches it
is the one that runs in production.</p>
<div class="cards">{"".join(_card(act) for act in summary["acts"])}</div>
{"".join(_act_section(act, summary) for act in summary["acts"])}
<h2 id="plots">Window by window</h2>
<p class="note">{len(story.moments)} windows of an hour. Shaded stretches are acts; between stretches days pass
in which a new baseline is taken. Large dots are streams that fire. Hover for value, p-value and sample size.</p>
<noscript><p><strong>The plots need JavaScript; the tables above tell the same story.</strong></p></noscript>
{charts}
<h2>Words</h2>
<dl>{glossary}</dl>
<p class="note">Made by driftmon {escape(__version__)}: <code>driftmon demo --seed {story.seed}</code>;
the figures as JSON: <code>driftmon demo --seed {story.seed} --json</code>.</p>
</main>
<script type="application/json" id="story">{_embed(plot_data(story))}</script>
<script>{asset("echarts.common.min.js")}</script>
<script>{_asset("report.js")}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _embed(data: Any) -> str:
    # Inside a script element only "<" could end it.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _card(act: dict[str, Any]) -> str:
    recall = act["recall_at_k"]
    hours = act["windows_to_detect"]
    if act["act"] == "adapter":
        found = "mends what the push broke; the endpoint is still another one"
    elif hours:
        found = f"in drift after {hours} window{'s' if hours != 1 else ''}"
    else:
        found = "no drift seen"
    return (
        f'<section class="card"><h3><a href="#{escape(act["act"])}">{escape(NAMES[act["act"]])}</a></h3>'
        f'<p class="figure">{recall["before"]:.2f} → {recall["after"]:.2f}</p>'
        f"<p>recall@{recall['k']}</p><p>{escape(found)}; cause <strong>{escape(act['cause'])}</strong></p></section>"
    )


def _act_section(act: dict[str, Any], summary: dict[str, Any]) -> str:
    rows = "".join(_row(key, row, act) for key, row in act["readings"].items())
    quiet = act["fired_in_quiet"]
    calm = (
        '<span class="calm">nothing fired</span>'
        if not quiet
        else f'<span class="alarm">fired: {escape(", ".join(quiet))}</span>'
    )
    causes = "; ".join(
        f"<strong>{escape(c['name'])}</strong> ({c['confidence']:.0%}, because of {escape(', '.join(c['because']))})"
        for c in act["causes"]
    )
    adapter = _adapter_table(summary["adapter"]) if act["act"] == "adapter" and summary["adapter"] else ""
    before = "broken" if act["act"] == "adapter" else "before"
    return f"""<h2 id="{escape(act["act"])}">{escape(act["title"])}</h2>
<p>Named cause: {causes or "none"}. Severity: <strong>{escape(act["severity"])}</strong>.
In the quiet stretch before: {calm}.</p>
{adapter}<div class="scroll"><table>
<caption>Every reading: last window {before}, last window after</caption>
<thead><tr><th scope="col">reading</th><th scope="col">{before}</th><th scope="col">after</th>
<th scope="col">p-value</th><th scope="col"></th></tr></thead>
<tbody>{rows}</tbody></table></div>
"""


def _row(key: str, row: dict[str, Any], act: dict[str, Any]) -> str:
    if key in act["firing_at_end"]:
        mark = '<span class="alarm">fires</span>'
    else:
        mark = "fired, then resolved" if key in act["fired"] else ""
    cells = "".join(f"<td>{_number(row[name])}</td>" for name in ("before", "after", "p_value"))
    return f'<tr><th scope="row"><code>{escape(key)}</code></th>{cells}<td>{mark}</td></tr>'


def _adapter_table(adapter: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{share:.3f}</td></tr>'
        for name, share in adapter["agreement_with_old_answers"].items()
    )
    caption = (
        "The gate: share of the old model's ten answers that come back, on held-out texts; "
        f"the {adapter['kind']} map of {adapter['pairs']:,} pairs is used"
    )
    return f"""<div class="scroll"><table>
<caption>{escape(caption)}</caption>
<thead><tr><th scope="col">map</th><th scope="col">agreement</th></tr></thead>
<tbody>{rows}</tbody></table></div>
"""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _chart_section(identifier: str, title: str, text: str) -> str:
    return (
        f'<section><h3 id="{identifier}-title">{escape(title)}</h3><p class="note">{escape(text)}</p>'
        f'<div class="chart" id="{identifier}" role="img" aria-labelledby="{identifier}-title"></div></section>'
    )
