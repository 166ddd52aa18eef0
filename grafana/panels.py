"""The kinds of panel that the dashboards are made of."""

from __future__ import annotations

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.queries import SOURCE


def steps(*values: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return absolute colour steps; the first one has no lower bound."""
    return (
        dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(v, c) for v, c in values])
    )


def single(title: str, description: str, unit: str, target: prometheus.Dataquery) -> stat.Panel:
    """Return a panel with one present value."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .with_target(target.ref_id("A"))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .thresholds(steps((None, "text")))
        .height(4)
        .span(6)
    )


def lines(title: str, description: str, unit: str, *targets: prometheus.Dataquery) -> timeseries.Panel:
    """Return a panel of lines over time; a line named ``threshold …`` is dashed and grey."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .draw_style(GraphDrawStyle.LINE)
        # A window's figure holds until the next window's: steps, not slopes.
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull"])
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .override_by_regexp(
            "/^threshold/",
            [
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
                DynamicConfigValue("custom.lineWidth", 1),
                DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "text"}),
            ],
        )
        .height(9)
        .span(12)
    )
    for name, target in zip("ABCD", targets, strict=False):
        panel = panel.with_target(target.ref_id(name))
    return panel


def spans(
    title: str, description: str, words: dict[str, tuple[str, str]], target: prometheus.Dataquery
) -> statetimeline.Panel:
    """Return a panel of coloured spans over time; ``words`` maps a value to its word and colour."""
    mapping = ValueMap({value: ValueMappingResult(word, colour) for value, (word, colour) in words.items()})
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit("none")
        .mappings([mapping])
        .show_value(VisibilityMode.NEVER)
        .line_width(0)
        .fill_opacity(70)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([])
        )
        .with_target(target.ref_id("A"))
        .height(9)
        .span(12)
    )


def rows(title: str, description: str, columns: dict[str, str], target: prometheus.Dataquery) -> table.Panel:
    """Return a table of label values; ``columns`` maps a label to its heading."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit("none")
        .no_value("none")
        .show_header(show_header=True)
        .with_target(target.ref_id("A").format(PromQueryFormat.TABLE))
        .with_transformation(
            DataTransformerConfig("filterFieldsByName", options={"include": {"names": list(columns)}})
        )
        .with_transformation(
            DataTransformerConfig(
                "organize",
                options={
                    "renameByName": columns,
                    "indexByName": {label: i for i, label in enumerate(columns)},
                    "excludeByName": {},
                },
            )
        )
        .height(9)
        .span(12)
    )


def matrix(
    title: str,
    description: str,
    row: str,
    column: str,
    words: dict[str, tuple[str, str]],
    target: prometheus.Dataquery,
    address: str,
) -> table.Panel:
    """Return a table of coloured states, a label's values down and another's across.

    ``words`` maps a value to its word and colour; ``address`` is where a click on a row leads.
    """
    mapping = ValueMap({value: ValueMappingResult(word, colour) for value, (word, colour) in words.items()})
    corner = f"{row}\\{column}"
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit("none")
        .no_value("none")
        .show_header(show_header=True)
        .mappings([mapping])
        .with_target(target.ref_id("A").format(PromQueryFormat.TABLE))
        .with_transformation(
            DataTransformerConfig(
                "groupingToMatrix", options={"rowField": row, "columnField": column, "valueField": "Value"}
            )
        )
        .override_by_regexp(
            "/^(?!.*\\\\)/", [DynamicConfigValue("custom.cellOptions", {"type": "color-background"})]
        )
        .override_by_name(corner, [DynamicConfigValue("links", [{"title": "Open", "url": address}])])
        .height(9)
        .span(24)
    )
