// The search of the manual. searchIndex comes from index.js: a list of
// {n: name, t: text, h: where, k: kind, b: all that is said of it}.
const input = document.getElementById("q");
const list = document.getElementById("results");
const most = 12;
let chosen = -1;

// score says how well an entry fits: the lower the better, Infinity not at all.
function score(entry, words) {
  const name = entry.n.toLowerCase();
  const last = name.slice(name.lastIndexOf(".") + 1);
  let sum = name.length / 100;
  for (const word of words) {
    if (name === word) sum += 0;
    else if (last === word) sum += 1;
    else if (name.startsWith(word)) sum += 2;
    else if (last.startsWith(word)) sum += 3;
    else if (name.includes(word)) sum += 4;
    else if ((entry.t + " " + entry.k).toLowerCase().includes(word)) sum += 8;
    else if (entry.b.toLowerCase().includes(word)) sum += 16;
    else return Infinity;
  }
  return sum;
}

function find(words) {
  if (words.length === 0) return [];
  return searchIndex
    .map(entry => ({ entry, rank: score(entry, words) }))
    .filter(x => x.rank < Infinity)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(x => x.entry);
}

// excerpt is what to show of an entry: where a word is that only its body has, or
// its first sentence.
function excerpt(entry, words) {
  const head = (entry.n + " " + entry.t + " " + entry.k).toLowerCase();
  const word = words.find(word => !head.includes(word));
  if (word === undefined) return entry.t || entry.b.slice(0, 100);
  const at = entry.b.toLowerCase().indexOf(word);
  let from = Math.max(0, at - 30);
  const space = from > 0 ? entry.b.indexOf(" ", from) : -1;
  if (space >= 0 && space < at) from = space + 1;
  let to = Math.min(entry.b.length, at + word.length + 70);
  if (to < entry.b.length) to = Math.max(at + word.length, entry.b.lastIndexOf(" ", to));
  return (from > 0 ? "… " : "") + entry.b.slice(from, to) + (to < entry.b.length ? " …" : "");
}

function element(name, className, text) {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = text;
  return e;
}

function show() {
  const words = input.value.toLowerCase().split(/[\s()]+/).filter(Boolean);
  const found = find(words);
  list.replaceChildren(...found.map((entry, i) => {
    const item = element("li", "", "");
    item.id = "result" + i;
    item.setAttribute("role", "option");
    const a = element("a", "", "");
    a.href = entry.h;
    a.tabIndex = -1;
    a.append(element("strong", "", entry.n), element("em", "", entry.k), element("span", "", excerpt(entry, words)));
    item.append(a);
    return item;
  }));
  if (found.length === 0 && input.value.trim() !== "") list.append(element("li", "none", "Nothing found"));
  list.hidden = list.children.length === 0;
  input.setAttribute("aria-expanded", String(!list.hidden));
  choose(found.length > 0 ? 0 : -1);
}

function choose(i) {
  chosen = i;
  [...list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === i)));
  if (i < 0) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", "result" + i);
  list.children[i].scrollIntoView({ block: "nearest" });
}

function close() {
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
}

input.addEventListener("input", show);
input.addEventListener("focus", () => { if (input.value !== "") show(); });
input.addEventListener("keydown", event => {
  const count = list.querySelectorAll("[role=option]").length;
  if (event.key === "ArrowDown" && count > 0) choose((chosen + 1) % count);
  else if (event.key === "ArrowUp" && count > 0) choose((chosen + count - 1) % count);
  else if (event.key === "Escape") { input.value = ""; close(); input.blur(); return; }
  else return;
  event.preventDefault();
});

input.form.addEventListener("submit", event => {
  event.preventDefault();
  const link = chosen >= 0 && list.children[chosen]?.querySelector("a");
  if (!link) return;
  close();
  link.click();
});

list.addEventListener("click", close);
document.addEventListener("click", event => { if (!input.form.contains(event.target)) close(); });
document.addEventListener("keydown", event => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  input.focus();
  input.select();
});

// The part of the menu that one is in is to be seen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "center" });
