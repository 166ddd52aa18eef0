"""What all dashboards have in common: variables, annotations, links, and rows of panels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableRefresh,
    VariableSort,
)

from grafana.queries import SOURCE, of_each

STATUS_PAGE = "http://127.0.0.1:9464"
"""Where the daemon's status page is, until the variable on the dashboard says otherwise."""


class Annotation(models.AnnotationQuery):
    """A query of the Prometheus data source, whose own options the schema of annotations does not name."""

    options: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """Return the annotation with the options of its data source."""
        return {**super().to_json(), **self.options}


class _Annotation(dashboard.AnnotationQuery):
    def __init__(self, name: str, colour: str, expr: str, **options: object) -> None:
        super().__init__()
        self._internal = Annotation(name, SOURCE, icon_color=colour, expr=expr)
        self._internal.options = options


def marks() -> list[dashboard.AnnotationQuery]:
    """Return what stands on every dashboard's time: open incidents, new baselines, what people told."""
    baseline = of_each("driftmon_baseline_info")
    before = f"{baseline.removesuffix(')')} offset 5m)"
    return [
        _Annotation(
            "Incidents",
            "red",
            f"{of_each('driftmon_incident_active')} > 0",
            titleFormat="{{collection}}: {{cause}}",
            textFormat="incident, {{severity}}",
            tagKeys="severity,cause",
        ),
        _Annotation(
            "Baselines",
            "blue",
            f"{baseline} unless {before}",
            titleFormat="{{collection}}: baseline {{baseline}}",
            textFormat="in use from here on, built with {{model}}",
            tagKeys="baseline",
        ),
        _Annotation(
            "Deploys and other events",
            "purple",
            f"{of_each('driftmon_event_timestamp_seconds')} * 1000",
            titleFormat="{{collection}}: {{kind}}",
            textFormat="told to driftmon",
            tagKeys="kind",
            useValueForTime=True,
        ),
    ]


def variable(name: str, metric: str) -> dashboard.QueryVariable:
    """Return a variable over the values that a label has on ``metric``."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(f"label_values({metric}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def links(page: str) -> list[dashboard.DashboardLink]:
    """Return the links to the other dashboards and to the daemon's own page."""
    return [
        dashboard.DashboardLink("Retrieval drift")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["driftmon"])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True),
        dashboard.DashboardLink("Status page")
        .type(DashboardLinkType.LINK)
        .icon("external link")
        .tooltip("The daemon's own page: incidents with their cause, evidence and next step.")
        .url(f"${{status_page}}{page}")
        .target_blank(target_blank=True),
    ]


def frame(
    uid: str,
    title: str,
    description: str,
    sections: Mapping[str, list[Any]],
    *,
    variables: Iterable[dashboard.QueryVariable] = (),
    many: bool = False,
) -> dashboard.Dashboard:
    """Return a dashboard of rows of panels; ``many`` shows several collections at once."""
    collection = variable("collection", "driftmon_verdict")
    if many:
        collection = collection.multi(multi=True).include_all(include_all=True)
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["driftmon"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(collection)
    )
    for each in variables:
        board = board.with_variable(each)
    board = board.with_variable(
        dashboard.TextBoxVariable("status_page").label("Status page").default_value(STATUS_PAGE)
    )
    for link in links("/" if many else "/collections/${collection}"):
        board = board.link(link)
    for annotation in marks():
        board = board.annotation(annotation)
    number = 0
    for heading, panels in sections.items():
        number += 1
        board = board.with_row(dashboard.Row(heading).id(number))
        for panel in panels:
            number += 1
            board = board.with_panel(panel.id(number))
    return board
