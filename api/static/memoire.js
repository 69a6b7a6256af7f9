// What forms and links alone cannot do. Every page works without this file.
"use strict";

// A text being edited is not lost by leaving the page: <form data-guard>.
let dirty = false;
document.addEventListener("input", (event) => {
  if (event.target.closest("form[data-guard]")) dirty = true;
});
document.addEventListener("submit", () => { dirty = false; });
window.addEventListener("beforeunload", (event) => {
  if (dirty) event.preventDefault();
});

// <button data-copy="identifier"> copies the text of that element.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.innerText);
  const before = button.textContent;
  button.textContent = "Copié";
  setTimeout(() => { button.textContent = before; }, 2000);
});

// <label data-drop>: files may be dropped on it; the name of the dossier comes from the first one.
document.addEventListener("dragover", (event) => {
  const zone = event.target.closest("[data-drop]");
  if (zone) { event.preventDefault(); zone.classList.add("over"); }
});
document.addEventListener("dragleave", (event) => {
  event.target.closest?.("[data-drop]")?.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  const zone = event.target.closest("[data-drop]");
  if (!zone) return;
  event.preventDefault();
  zone.classList.remove("over");
  const input = zone.querySelector("input[type=file]");
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
document.addEventListener("change", (event) => {
  const zone = event.target.closest("[data-drop]");
  if (!zone || event.target.type !== "file") return;
  const names = [...event.target.files].map((file) => file.name);
  zone.querySelector("[data-chosen]").textContent = names.join(", ");
  const name = document.querySelector("[data-named]");
  if (name && !name.value && names.length) name.value = names[0].replace(/\.[^.]+$/, "").replace(/[_-]+/g, " ");
});

// Ctrl+Enter sends the form one is writing in; « / » goes to the search field.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && typing?.form) typing.form.requestSubmit();
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  }
});

// What htmx could not do is said.
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, () => {
    const told = document.createElement("p");
    told.className = "flash bad floating";
    told.setAttribute("role", "alert");
    told.textContent = "Le serveur n’a pas pris cette demande. Rechargez la page et recommencez.";
    document.body.append(told);
    setTimeout(() => told.remove(), 8000);
  });
}

// What htmx puts in place takes the focus where it asks for it: <... data-focus>.
document.addEventListener("htmx:afterSwap", (event) => {
  event.detail.elt.querySelector?.("[data-focus]")?.focus();
});

// What only makes sense with this file is shown: class « only-js ».
document.documentElement.classList.add("js");

// One letter does what a link or a button does: <... data-key="s">. It may be switched off (WCAG 2.1.4), and « ? »
// opens the list of letters: <dialog id="raccourcis">.
const keysOn = () => localStorage.getItem("memoire-raccourcis") !== "non";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keysOn() || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const found = [...document.querySelectorAll("[data-key]")].find((item) => item.dataset.key === event.key);
  if (found) { event.preventDefault(); found.click(); }
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (!opener) return;
  const dialog = document.getElementById(opener.dataset.opens);
  dialog.querySelectorAll("[data-keys]").forEach((box) => { box.checked = keysOn(); });
  dialog.showModal();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-keys]")) localStorage.setItem("memoire-raccourcis", event.target.checked ? "oui" : "non");
});

// <a data-panel hx-get>: shows its source beside the text where there is room; elsewhere, and with a modifier key, it is
// the link it says.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  if (!link) return;
  const panel = matchMedia("(min-width: 62rem)").matches && document.getElementById("source");
  if (!panel || event.ctrlKey || event.metaKey || event.shiftKey) { event.stopImmediatePropagation(); return; }
  document.querySelectorAll("a.shown").forEach((other) => other.classList.remove("shown"));
  link.classList.add("shown");
}, true);
document.addEventListener("htmx:afterSwap", (event) => {
  const extract = event.target.closest("#source")?.querySelector(".extract");
  const mark = extract?.querySelector("mark");
  if (mark) extract.scrollTop = mark.offsetTop - extract.offsetTop - extract.clientHeight / 4;
});

// On a narrow screen the tabs scroll: the one that is open is in sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
