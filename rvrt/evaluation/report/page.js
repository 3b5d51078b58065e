"use strict";

// The slider between two pictures of a sequence; they are those shown below it.
for (const viewer of document.querySelectorAll(".viewer")) {
  const pictures = new Map();
  for (const image of viewer.closest(".sequence").querySelectorAll(".whole img")) {
    pictures.set(image.dataset.version, image);
  }
  const [left, right] = viewer.querySelectorAll("select");
  const range = viewer.querySelector("input");
  const stage = viewer.querySelector(".stage");
  const [below, above] = stage.querySelectorAll("img");
  const last = [...pictures.values()].pop();

  const show = () => {
    for (const [image, choice] of [[below, right], [above, left]]) {
      const chosen = pictures.get(choice.value);
      image.src = chosen.src;
      image.alt = chosen.alt;
      image.classList.toggle("pixels", chosen.classList.contains("pixels"));
    }
    move();
  };
  const move = () => {
    stage.style.setProperty("--at", range.value + "%");
    range.setAttribute("aria-valuetext", range.value + " % " + left.value + ", the rest " + right.value);
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    const at = (100 * (event.clientX - box.left)) / box.width;
    range.value = Math.round(Math.min(100, Math.max(0, at)));
    move();
  };

  for (const [choice, version] of [[left, viewer.dataset.left], [right, viewer.dataset.right]]) {
    for (const name of pictures.keys()) choice.add(new Option(name, name));
    choice.value = version;
    choice.addEventListener("change", show);
  }
  stage.style.aspectRatio = last.width + " / " + last.height;
  range.addEventListener("input", move);
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons) follow(event);
  });
  show();
  viewer.hidden = false;
}

// Tables that are sorted by the column whose head is pressed; pressed again, the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const status = document.getElementById(table.dataset.status);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const body = table.tBodies[0];
      const value = (row) => {
        const text = row.cells[column].textContent.trim();
        const number = text === "inf" ? Infinity : text === "nan" ? -Infinity : Number(text);
        return head.dataset.kind === "text" || Number.isNaN(number) ? text : number;
      };
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        return x < y ? -1 : x > y ? 1 : 0;
      };
      const rows = [...body.rows].sort((a, b) => (falling ? order(b, a) : order(a, b)));
      body.append(...rows);
      status.textContent =
        "Sorted by " + button.textContent.trim() + (falling ? ", highest first" : ", lowest first");
    });
  });
}
