(() => {
  const form = document.getElementById("search");
  const query = form.elements.q;
  const found = document.getElementById("found");
  const groups = [...document.querySelectorAll(".results")];

  function show() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const owner = form.elements.owner?.value ?? "";
    const purpose = form.elements.purpose?.value ?? "";
    const personal = form.elements.pii.checked;
    const asked = words.length > 0 || owner !== "" || purpose !== "" || personal;
    let count = 0;
    for (const group of groups) {
      // Events are always shown; the rest where somebody looks for something.
      const more = group.classList.contains("more");
      let inside = 0;
      let first = true;
      for (const item of group.querySelectorAll("li[data-text]")) {
        const data = item.dataset;
        const fits = words.every((word) => data.text.includes(word))
          && (!owner || data.owner === owner)
          && (!purpose || data.purposes.includes(` ${purpose} `))
          && (!personal || "pii" in data);
        item.hidden = !fits;
        item.classList.toggle("first", fits && first);
        if (fits) { inside += 1; first = false; }
      }
      group.hidden = inside === 0 || (more && !asked);
      if (!group.hidden) count += inside;
    }
    const sources = document.querySelector(".sources");
    if (sources) sources.hidden = asked;
    found.textContent = !asked ? "" : count === 0 ? "nothing found" : `${count} found`;
    const address = new URL(location.href);
    address.search = query.value ? `?${new URLSearchParams({ q: query.value })}` : "";
    try { history.replaceState(null, "", address); } catch { /* not where the page is a file */ }
  }

  form.hidden = false;
  query.value = new URLSearchParams(location.search).get("q") ?? "";
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      query.focus();
    }
  });
  show();
})();
