"use strict";
(() => {
  const tip = document.getElementById("tip");

  // What a mark or an edge says, beside it.
  const show = (text, box) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.x + box.width / 2 - width / 2), innerWidth - width - 8);
    const above = box.y - height - 10;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : Math.min(box.y + box.height + 10, innerHeight - height - 8)}px`;
  };
  const hide = () => { tip.hidden = true; };
  // An arc's box is as large as its reach; where it peaks, its label stands.
  const place = (element) => {
    const label = element.matches(".edge") && element.querySelector("text");
    const line = element.matches(".edge") && element.querySelector(".line");
    if (label && label.textContent) return label.getBoundingClientRect();
    if (!line) return element.getBoundingClientRect();
    const box = line.getBoundingClientRect();
    return { x: box.x, y: box.y, width: box.width, height: 20 };
  };
  const TOLD = ".edge, .marks path[aria-label], .marks line[aria-label]";
  const told = (event) => event.target.closest && event.target.closest(TOLD);
  document.addEventListener("pointerover", (event) => {
    const element = told(event);
    if (!element) return focused();
    const near = element.matches(".edge") ? place(element) : { x: event.clientX, y: event.clientY - 6, width: 0, height: 12 };
    show(element.getAttribute("aria-label"), near);
  });
  const focused = () => {
    const edge = document.activeElement;
    if (!edge.matches(".edge:focus-visible")) return hide();
    show(edge.getAttribute("aria-label"), place(edge));
  };
  document.addEventListener("focusin", focused);
  document.addEventListener("focusout", (event) => {
    hide();
    if (event.target.matches(".chart")) event.target.querySelectorAll(".at").forEach((mark) => mark.classList.remove("at"));
  });
  // To go to an edge may scroll to it, and bring other things under the pointer.
  addEventListener("scroll", focused, { passive: true });

  // Arrow keys step through the values of a chart; Escape puts away what is shown.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".chart")) return;
    const marks = [...event.target.querySelectorAll(TOLD)];
    if (!marks.length) return;
    event.preventDefault();
    const old = marks.findIndex((mark) => mark.classList.contains("at"));
    if (old >= 0) marks[old].classList.remove("at");
    const mark = marks[(old < 0 ? (step > 0 ? 0 : marks.length - 1) : old + step + marks.length) % marks.length];
    mark.classList.add("at");
    show(mark.getAttribute("aria-label"), mark.getBoundingClientRect());
  });

  // The slider: the cells, the table of α and the lines of the charts at one moment.
  for (const section of document.querySelectorAll(".search")) {
    const data = JSON.parse(section.querySelector('script[type="application/json"]').textContent);
    const slider = section.querySelector("input"), text = section.querySelector("output"), play = section.querySelector(".play");
    const views = [...section.querySelectorAll(".weighed")].map((view) => ({
      edges: [...view.querySelectorAll(".edge")].sort((one, other) => one.dataset.number - other.dataset.number),
      rows: [...view.querySelectorAll(".alpha tbody tr")].map((row) => [...row.querySelectorAll("td")]),
    }));
    const rules = [...section.querySelectorAll(".now_marks line")].map((line) => ({ line, wide: end(line) }));
    const first = data.iterations[0], span = Math.max(1, data.iterations.at(-1) - first);

    // The line stands at the last moment, so where it is tells how wide the chart is.
    function end(line) { return Number(/translate\(([\d.]+)/.exec(line.getAttribute("transform"))[1]); }

    const move = (at) => {
      text.value = data.texts[at];
      slider.setAttribute("aria-valuetext", data.texts[at]);
      views.forEach(({ edges, rows }, index) => {
        const cell = data.cells[index];
        cell.edges[at].forEach(([width, label, plate, colour, faint, told], number) => {
          const edge = edges[number], name = edge.querySelector("text"), back = edge.querySelector(".plate");
          edge.style.setProperty("--w", width);
          edge.style.setProperty("--c", colour);
          edge.classList.toggle("faint", Boolean(faint));
          edge.setAttribute("aria-label", told);
          if (!name) return;
          name.textContent = label;
          back.setAttribute("width", plate);
          back.setAttribute("x", name.getAttribute("x") - plate / 2);
        });
        (cell.alphas[at] || []).forEach((shares, number) => shares.forEach(([share, dark], column) => shade(rows[number][column], share, dark)));
      });
      const share = (data.iterations[at] - first) / span;
      for (const { line, wide } of rules) line.setAttribute("transform", line.getAttribute("transform").replace(/translate\([\d.]+/, `translate(${share * wide}`));
    };
    const shade = (box, share, dark) => {
      box.style.setProperty("--v", dark);
      box.textContent = (100 * share).toFixed(1);
      box.classList.toggle("dark", dark > 0.6);
    };
    slider.addEventListener("input", () => { stop(); move(slider.valueAsNumber); });

    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶"; play.setAttribute("aria-label", "Play the search"); };
    play.addEventListener("click", () => {
      if (timer) return stop();
      const last = Number(slider.max);
      if (slider.valueAsNumber >= last) slider.value = 0;
      play.textContent = "❚❚";
      play.setAttribute("aria-label", "Pause");
      move(slider.valueAsNumber);
      timer = setInterval(() => {
        slider.value = slider.valueAsNumber + 1;
        move(slider.valueAsNumber);
        if (slider.valueAsNumber >= last) stop();
      }, Math.max(120, 6000 / (last + 1)));
    });
    move(slider.valueAsNumber);
  }

  // Paper can't be unfolded.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        // Where the clipboard is closed to pages, the text is selected for the reader to copy.
        getSelection().selectAllChildren(code);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
