// Draws every chart of the report from the data beside it; without this script the tables still tell the story.
(function () {
  "use strict";
  var story = JSON.parse(document.getElementById("story").textContent);
  var palette = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255"];
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var charts = [];
  var font = "system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", sans-serif";

  function number(x) {
    if (x === null || x === undefined) return "–";
    var size = Math.abs(x);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(1) : String(Number(x.toPrecision(3)));
  }

  function tooltip(rows) {
    var box = document.createElement("div");
    var head = document.createElement("strong");
    head.textContent = story.times[rows[0].dataIndex] + " UTC, " + story.stretchOf[rows[0].dataIndex];
    box.appendChild(head);
    rows.forEach(function (row) {
      var point = row.data && row.data.detail;
      if (!point) return;
      var line = document.createElement("div");
      line.textContent = row.seriesName + ": " + number(point.value) +
        (point.p === null ? "" : ", p = " + number(point.p)) + ", n = " + point.n + (point.firing ? ", fires" : "");
      line.style.color = row.color;
      box.appendChild(line);
    });
    return box;
  }

  function options(chart) {
    var ink = dark.matches ? "#a3aebb" : "#5a6573";
    var rule = dark.matches ? "#36404d" : "#d8dee6";
    var bands = story.stretches.map(function (s, i) {
      return [
        { name: s.name, xAxis: s.first, itemStyle: { color: s.drift ? "rgba(213,94,0,0.10)" : "rgba(128,128,128,0.04)" } },
        { xAxis: s.last },
      ];
    });
    var series = chart.series.map(function (s, i) {
      return {
        name: s.name, type: "line", connectNulls: false, symbol: "circle", color: palette[i % palette.length],
        showSymbol: true, showAllSymbol: true, lineStyle: { width: 2 },
        symbolSize: function (_, p) { return p.data && p.data.detail && p.data.detail.firing ? 7 : 2; },
        data: s.points.map(function (p) {
          return p === null ? { value: null } : { value: chart.log && p.value <= 0 ? null : p.value, detail: p };
        }),
      };
    });
    series[0].markArea = {
      silent: true, data: bands,
      label: { color: ink, fontSize: 11, position: "insideTop", formatter: function (p) { return p.name; } },
    };
    // A limit is a plain dashed series: mark lines are not drawn on logarithmic axes.
    chart.limits.forEach(function (limit) {
      series.push({
        name: limit.name + " " + number(limit.value), type: "line", symbol: "none", color: ink, silent: true,
        lineStyle: { type: "dashed", width: 1.3, color: ink },
        data: story.times.map(function () { return limit.value; }),
      });
    });
    return {
      animation: false, backgroundColor: "transparent", textStyle: { fontFamily: font },
      grid: { left: 58, right: 16, top: 62, bottom: 40 },
      legend: { top: 4, type: "scroll", itemGap: 16, textStyle: { color: ink, fontFamily: font }, data: series.map(function (s) { return s.name; }) },
      tooltip: {
        trigger: "axis", confine: true, formatter: tooltip,
        backgroundColor: dark.matches ? "#1a212b" : "#ffffff", textStyle: { color: dark.matches ? "#e6eaf0" : "#1c2430" },
      },
      dataZoom: [{ type: "inside" }],
      xAxis: {
        type: "category", data: story.times, boundaryGap: false, axisLabel: { color: ink, hideOverlap: true },
        axisLine: { lineStyle: { color: rule } },
      },
      yAxis: {
        type: chart.log ? "log" : "value", name: chart.unit, nameTextStyle: { color: ink, align: "left" },
        min: chart.log ? 1e-4 : undefined, max: chart.max === null ? undefined : chart.max,
        axisLabel: { color: ink, formatter: number }, splitLine: { lineStyle: { color: rule } },
      },
      series: series,
    };
  }

  function draw() {
    charts.forEach(function (c) { c.dispose(); });
    charts = story.charts.map(function (chart) {
      var instance = echarts.init(document.getElementById(chart.id), null, { renderer: "svg" });
      instance.setOption(options(chart));
      return instance;
    });
  }

  draw();
  dark.addEventListener("change", draw);
  window.addEventListener("resize", function () { charts.forEach(function (c) { c.resize(); }); });
})();
