// Draws the charts of a collection anew with ECharts: hover, zoom. Without it the drawings in the page stay.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("chart-data").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var still = window.matchMedia("(prefers-reduced-motion: reduce)");
  var boxes = Array.prototype.slice.call(document.querySelectorAll(".chart[data-stream]"));
  var charts = new Map();
  var font = getComputedStyle(document.body).fontFamily;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function number(x) {
    var size = Math.abs(x);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(1) : String(Number(x.toPrecision(3)));
  }

  function line(text) {
    var element = document.createElement("div");
    element.textContent = text;
    return element;
  }

  // Text nodes, never markup: what stands in a chart came from a database.
  function tooltip(stream, mine) {
    return function (rows) {
      var row = rows.filter(function (each) { return each.seriesId === "values"; })[0];
      if (!row) return "";
      var point = mine[row.dataIndex];
      var box = document.createElement("div");
      box.appendChild(line(new Date(point.at).toISOString().slice(0, 16).replace("T", " ") + " UTC"));
      box.appendChild(line(point.value === null ? "not measured" : "value " + number(point.value) + ", n = " + point.n));
      if (point.depth !== null) box.appendChild(line("p = " + number(Math.pow(10, -point.depth))));
      if (point.fired) box.appendChild(line("fires"));
      return box;
    };
  }

  function uprights() {
    var events = data.marks.events.map(function (e) {
      return { xAxis: e.at, lineStyle: { color: colour("event"), type: "solid" } };
    });
    return events.concat(data.marks.baselines.map(function (b) {
      return { xAxis: b.at, lineStyle: { color: colour("quiet"), type: "dotted" } };
    }));
  }

  function options(stream) {
    var ink = colour("soft"), rule = colour("line"), alarm = colour("critical"), accent = colour("link");
    var mine = stream.points;
    var bands = data.marks.incidents.map(function (i) {
      return [{ xAxis: i.from, itemStyle: { color: colour(i.severity === "critical" ? "critical" : "warning"), opacity: 0.14 } }, { xAxis: i.to }];
    });
    var lines = uprights();
    if (stream.limit !== null) lines.push({ yAxis: stream.limit, lineStyle: { color: ink, type: "dashed" } });
    return {
      animation: !still.matches, animationDuration: 200, backgroundColor: "transparent", textStyle: { fontFamily: font },
      aria: { enabled: false },
      grid: [{ left: 52, right: 8, top: 8, height: "62%" }, { left: 52, right: 8, bottom: 18, height: "16%" }],
      axisPointer: { link: [{ xAxisIndex: "all" }] },
      tooltip: {
        trigger: "axis", confine: true, formatter: tooltip(stream, mine), backgroundColor: colour("panel"),
        borderColor: rule, textStyle: { color: colour("ink"), fontSize: 12 },
      },
      dataZoom: [{ type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false }],
      xAxis: [
        { type: "time", gridIndex: 0, axisLabel: { show: false }, axisTick: { show: false }, axisLine: { lineStyle: { color: rule } } },
        { type: "time", gridIndex: 1, axisLabel: { color: ink, hideOverlap: true, fontSize: 10 }, axisLine: { lineStyle: { color: rule } } },
      ],
      yAxis: [
        { type: "value", scale: true, splitNumber: 3, axisLabel: { color: ink, fontSize: 10, formatter: number }, splitLine: { lineStyle: { color: rule } } },
        { type: "value", gridIndex: 1, min: 0, max: 12, axisLabel: { show: false }, splitLine: { show: false } },
      ],
      series: [
        {
          id: "values", type: "line", color: accent, connectNulls: false, symbol: "circle", showAllSymbol: true,
          lineStyle: { width: 1.75 },
          symbolSize: function (_, row) { return mine[row.dataIndex].fired ? 7 : 0.1; },
          data: mine.map(function (p) { return { value: [p.at, p.value], itemStyle: p.fired ? { color: alarm } : undefined }; }),
          markArea: { silent: true, data: bands },
          markLine: { silent: true, symbol: "none", label: { show: false }, data: lines },
        },
        {
          id: "depths", type: "bar", xAxisIndex: 1, yAxisIndex: 1, color: ink, barMaxWidth: 3, barMinWidth: 1,
          data: mine.map(function (p) { return [p.at, p.depth === null ? null : Math.min(12, p.depth)]; }),
        },
      ],
    };
  }

  function draw(box) {
    var known = charts.get(box);
    if (known) known.dispose();
    var svg = box.querySelector("svg");
    // What the drawing says to who does not see it stays: a canvas says nothing.
    if (svg) {
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", svg.getAttribute("aria-label"));
      box.textContent = "";
    }
    var chart = echarts.init(box, null, { renderer: "canvas" });
    chart.setOption(options(data.streams[Number(box.dataset.stream)]));
    charts.set(box, chart);
  }

  // Only what is looked at: a page may have thirty of them.
  var watcher = new IntersectionObserver(function (seen) {
    seen.forEach(function (each) {
      if (!each.isIntersecting) return;
      watcher.unobserve(each.target);
      draw(each.target);
    });
  }, { rootMargin: "200px" });
  boxes.forEach(function (box) { watcher.observe(box); });
  dark.addEventListener("change", function () { Array.from(charts.keys()).forEach(draw); });
  var waiting = 0;
  window.addEventListener("resize", function () {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(function () { charts.forEach(function (chart) { chart.resize(); }); }, 100);
  });
})();
