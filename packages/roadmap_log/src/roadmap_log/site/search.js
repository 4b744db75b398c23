// The archive's search. Months are loaded as scripts, which works from file:// where fetch does not.
"use strict";
(() => {
  const form = document.getElementById("search");
  const field = document.getElementById("words");
  const told = document.getElementById("told");
  const found = document.getElementById("found");
  const archive = document.getElementById("archive");
  const months = [...document.querySelectorAll("[data-month]")].map((link) => link.dataset.month);
  const most = 100;
  const entries = [];
  let loading = null;
  let read = 0;

  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  window.roadmapMonth = (rows) => {
    for (const [address, title, date, names, text] of rows) {
      entries.push({ address, title, date, names, text, all: plain(`${title} ${names} ${text}`) });
    }
  };

  const load = () => {
    loading ??= months.reduce(
      (before, month) =>
        before.then(
          () =>
            new Promise((done) => {
              const script = document.createElement("script");
              script.src = `search/${month}.js`;
              script.onload = script.onerror = () => {
                read += 1;
                show();
                done();
              };
              document.head.append(script);
            }),
        ),
      Promise.resolve(),
    );
  };

  // What stands around the first word, in the text as it was written.
  const excerpt = (entry, word) => {
    const at = entry.text.toLowerCase().indexOf(word);
    if (at < 0) return null;
    const begin = Math.max(0, at - 60);
    const line = document.createElement("p");
    const mark = document.createElement("mark");
    mark.textContent = entry.text.slice(at, at + word.length);
    line.className = "meta";
    line.dir = "auto";
    line.append(
      (begin ? "…" : "") + entry.text.slice(begin, at),
      mark,
      entry.text.slice(at + word.length, at + 100) + "…",
    );
    return line;
  };

  const row = (entry, word) => {
    const item = document.createElement("li");
    const time = document.createElement("time");
    const link = document.createElement("a");
    time.textContent = entry.date;
    link.href = entry.address;
    link.dir = "auto";
    link.textContent = entry.title;
    item.append(time, " ", link);
    const around = excerpt(entry, word);
    if (around) item.append(around);
    return item;
  };

  const show = () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    const asked = words.length > 0;
    archive.hidden = asked;
    found.hidden = !asked;
    if (!asked) {
      told.textContent = "";
      found.replaceChildren();
      return;
    }
    const fit = entries.filter((entry) => words.every((word) => entry.all.includes(word)));
    found.replaceChildren(...fit.slice(0, most).map((entry) => row(entry, words[0])));
    const noun = fit.length === 1 ? "entry" : "entries";
    const shown = fit.length > most ? `, the newest ${most} are shown` : "";
    const rest = read < months.length ? `, ${months.length - read} months still to read` : "";
    told.textContent = `${fit.length} ${noun}${shown}${rest}`;
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("focus", load, { once: true });
  field.addEventListener("input", () => {
    load();
    show();
  });
})();
