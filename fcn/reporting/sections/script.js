"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const name = (id) => {
    if (id < 0) return "a rare class";
    const known = data.names[id] ?? `id ${id}`;
    return data.ignored.includes(id) ? `ignored (${known})` : known;
  };

  // Call handle(event, x, y) when the pointer moves over the element or touches it; x and y run from 0 to 1.
  function point(element, handle, leave) {
    const act = (event) => {
      const box = element.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      if (x >= 0 && x < 1 && y >= 0 && y < 1) handle(event, x, y); else leave();
    };
    element.addEventListener("pointermove", act);
    element.addEventListener("pointerdown", act);
    element.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") leave(); });
  }
  function showTip(event, text) {
    tip.textContent = text;
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const above = event.clientY - tip.offsetHeight - 14;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  }
  const hideTip = () => { tip.hidden = true; };
  addEventListener("scroll", hideTip, { passive: true });

  // Dots: a tooltip instead of the SVG title, which appears late and not on touch screens.
  for (const dot of document.querySelectorAll(".plot circle")) {
    const title = dot.querySelector("title"), text = title.textContent;
    title.remove();
    dot.setAttribute("aria-label", text);
    point(dot, (event) => showTip(event, text), hideTip);
  }

  // Confusion matrix.
  const matrix = document.getElementById("matrix");
  if (matrix) {
    const { rows, columns, counts } = data.confusion;
    const sums = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
    const mark = matrix.querySelector(".mark");
    point(matrix, (event, x, y) => {
      const column = Math.floor(x * columns.length), row = Math.floor(y * rows.length);
      const count = counts[row][column], share = sums[row] ? 100 * count / sums[row] : 0;
      const what = rows[row] === columns[column] ? "predicted correctly" : `predicted as ${name(columns[column])}`;
      showTip(event, `${name(rows[row])} ${what}: ${share.toFixed(share < 1 && count ? 3 : 1)} % ` +
        `of ${name(rows[row])} (${count.toLocaleString("en")} px)`);
      mark.setAttribute("x", `${100 * column / columns.length}%`);
      mark.setAttribute("y", `${100 * row / rows.length}%`);
      mark.setAttribute("visibility", "visible");
    }, () => { hideTip(); mark.setAttribute("visibility", "hidden"); });
  }

  // Class ids of a PNG: one byte per pixel; each row starts with a filter byte, which is 0 (no filter).
  async function ids(image, width) {
    const bytes = Uint8Array.from(atob(image.getAttribute("href").split(",")[1]), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer), packed = [];
    for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
      if (view.getUint32(at + 4) === 0x49444154) packed.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    }
    const unpacked = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
    const rows = new Uint8Array(await new Response(unpacked).arrayBuffer());
    return (x, y) => rows[y * (width + 1) + 1 + x];
  }
  for (const article of document.querySelectorAll(".images")) {
    const [width, height] = article.dataset.size.split(" ").map(Number);
    const table = article.dataset.ids?.split(" ").map(Number);  // class id of each byte; without it, bytes are ids
    const pixel = article.querySelector(".pixel"), marks = article.querySelectorAll(".here");
    let maps;
    const handle = async (event, x, y) => {
      maps ??= Promise.all(["label", "prediction"].map((kind) => ids(article.querySelector(`.${kind} image`), width)));
      const [across, down] = [Math.floor(x * width), Math.floor(y * height)];
      const [label, prediction] = (await maps).map((at) => table ? table[at(across, down)] : at(across, down));
      const verdict = data.ignored.includes(label) || label >= data.names.length || label < 0 ? "" :
        label === prediction ? " · correct" : " · wrong";
      pixel.textContent = `label: ${name(label)} · prediction: ${name(prediction)}${verdict}`;
      for (const mark of marks) {
        mark.setAttribute("cx", x * width);
        mark.setAttribute("cy", y * height);
        mark.setAttribute("visibility", "visible");
      }
    };
    const leave = () => { for (const mark of marks) mark.setAttribute("visibility", "hidden"); };
    for (const picture of article.querySelectorAll("svg")) {
      point(picture, (event, x, y) => handle(event, x, y).catch(() => { pixel.textContent = ""; }), leave);
    }
  }

  // Tables: a click on a column's title sorts by it, numbers in descending order. A second click reverses the order.
  for (const table of document.querySelectorAll(".sortable")) {
    const body = table.tBodies[0], titles = [...table.tHead.rows[0].cells];
    const value = (row, i) => {
      const cell = row.cells[i], text = cell.querySelector("[data-v]")?.dataset.v ?? cell.textContent;
      return Number.isNaN(Number(text)) ? text : Number(text);
    };
    const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === typeof b ? a.localeCompare(b) : typeof a === "number" ? 1 : -1;
    titles.forEach((title, i) => title.querySelector("button").addEventListener("click", () => {
      const first = title.classList.contains("n") && i ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const direction = title.getAttribute("aria-sort") === first ? second : first;
      for (const other of titles) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      body.append(...[...body.rows].sort((a, b) => sign * order(value(a, i), value(b, i))));
    }));
  }

  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
})();
