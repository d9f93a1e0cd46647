/* Makes the pages better; none needs it. The home: filter datasets as one types. Everywhere: how long ago. */
"use strict";

(() => {
  const SHOWN = 60;

  const fold = (text) =>
    text.toLowerCase().replace(/œ/g, "oe").replace(/æ/g, "ae").normalize("NFKD").replace(/\p{M}/gu, "");

  const ago = () => {
    const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const days = Math.round((Date.parse(time.dateTime) - Date.now()) / 86400000);
      const said = Math.abs(days) < 60 ? words.format(days, "day") : words.format(Math.round(days / 30.4), "month");
      time.after(` (${said})`);
    }
  };

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const item = (row, themes) => {
    const article = document.createElement("article");
    const heading = document.createElement("h3");
    heading.append(element("a", row.title, { href: `datasets/${row.id}/` }));
    const meta = element("ul", "", { class: "meta" });
    meta.append(element("li", themes.get(row.theme) ?? ""), element("li", row.formats.join(", ").toUpperCase()));
    article.append(heading, element("p", row.text), meta);
    const line = document.createElement("li");
    line.append(article);
    return line;
  };

  const matches = (row, asked) =>
    asked.words.every((word) => row.words.includes(word)) &&
    (!asked.theme || row.theme === asked.theme) &&
    (!asked.commune || row.communes.includes(asked.commune)) &&
    (!asked.format || row.formats.includes(asked.format));

  const search = (form) => {
    const list = document.getElementById("liste");
    const results = document.getElementById("resultats");
    const count = document.getElementById("compte");
    const themes = new Map([...form.elements.theme.options].map((option) => [option.value, option.text]));
    let rows = null;
    let turn = 0;

    const asked = () => ({
      words: fold(form.elements.q.value).split(/[^\p{L}\p{N}]+/u).filter(Boolean),
      theme: form.elements.theme.value,
      commune: form.elements.commune.value,
      format: form.elements.format.value,
    });

    const show = async () => {
      const mine = ++turn;
      const wanted = asked();
      const idle = !wanted.words.length && !wanted.theme && !wanted.commune && !wanted.format;
      const address = new URL(location.href);
      for (const name of ["q", "theme", "commune", "format"]) {
        const value = form.elements[name].value.trim();
        if (value) address.searchParams.set(name, value);
        else address.searchParams.delete(name);
      }
      history.replaceState(null, "", address);
      if (!idle && rows === null) {
        try {
          const answer = await fetch(form.dataset.index);
          if (!answer.ok) throw new Error(String(answer.status));
          rows = await answer.json();
        } catch {
          count.textContent = "La recherche n’a pas pu être chargée ; la liste complète est ci-dessous.";
          return;
        }
      }
      if (mine !== turn) return;
      list.hidden = !idle;
      results.hidden = idle;
      if (idle) {
        count.textContent = "";
        return;
      }
      const found = rows.filter((row) => matches(row, wanted));
      results.querySelector("ul").replaceChildren(...found.slice(0, SHOWN).map((row) => item(row, themes)));
      const number = found.length === 0 ? "Aucun" : String(found.length);
      const noun = found.length > 1 ? "jeux de données trouvés" : "jeu de données trouvé";
      const rest = found.length > SHOWN ? ` ; les ${SHOWN} premiers sont affichés, précisez la recherche` : "";
      count.textContent = `${number} ${noun}${rest}.`;
    };

    form.addEventListener("input", show);
    form.addEventListener("reset", () => setTimeout(show));
    form.addEventListener("submit", (event) => event.preventDefault());
    const given = new URL(location.href).searchParams;
    for (const name of ["q", "theme", "commune", "format"]) form.elements[name].value = given.get(name) ?? "";
    form.hidden = false;
    for (const note of document.querySelectorAll(".no-script")) note.hidden = true;
    show();
  };

  ago();
  const form = document.getElementById("recherche");
  if (form) search(form);
})();
