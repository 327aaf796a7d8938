// A button that opens a menu, as the ARIA practices have it: arrows, Home, End and the first
// letter move, Escape and Tab close.

const EDGE = 8; // pixels from the window's sides that stay free

export class Menu {
  /**
   * @param button that opens it; the list is put behind it
   * @param items [name, label, explanation]
   * @param onChoose (name)
   */
  constructor(button, items, onChoose) {
    this.button = button;
    this.list = document.createElement("ul");
    this.list.className = "menu";
    this.list.setAttribute("role", "menu");
    this.list.setAttribute("aria-label", button.textContent);
    this.list.hidden = true;
    this.items = items.map(([name, label, explanation]) => {
      const item = document.createElement("li");
      item.setAttribute("role", "menuitem");
      item.tabIndex = -1;
      item.dataset.name = name;
      item.innerHTML = "<b></b> <small></small>";
      item.querySelector("b").textContent = label;
      item.querySelector("small").textContent = explanation;
      item.addEventListener("click", () => {
        this.#close();
        onChoose(name);
      });
      return item;
    });
    this.list.append(...this.items);
    button.after(this.list);
    button.setAttribute("aria-haspopup", "menu");
    button.setAttribute("aria-expanded", "false");
    // Safari gives a pressed button no focus: the list would close before the click toggles it.
    button.addEventListener("mousedown", (event) => this.list.hidden || event.preventDefault());
    button.addEventListener("click", () => (this.list.hidden ? this.#open(0) : this.#close()));
    for (const element of [button, this.list]) {
      element.addEventListener("keydown", (event) => this.#key(event));
      element.addEventListener("focusout", ({ relatedTarget }) => {
        if (relatedTarget !== button && !this.list.contains(relatedTarget)) this.#hide();
      });
    }
    window.addEventListener("resize", () => this.list.hidden || this.#place());
    document.addEventListener("pointerdown", ({ target }) => {
      if (target !== button && !this.list.contains(target)) this.#hide();
    });
  }

  #open(index) {
    this.list.hidden = false;
    this.#place();
    this.button.setAttribute("aria-expanded", "true");
    this.items.at(index).focus();
  }

  #place() {
    this.list.style.translate = "";
    const { left, right } = this.list.getBoundingClientRect();
    const most = document.documentElement.clientWidth - EDGE;
    this.list.style.translate = `${Math.max(EDGE - left, Math.min(0, most - right))}px`;
  }

  #hide() {
    this.list.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  #close() {
    this.button.focus();
    this.#hide();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { items, list } = this;
    const at = items.indexOf(event.target);
    const first = event.key.toLowerCase();
    const next = [...items.keys()].map((i) => (at + 1 + i) % items.length); // round from here
    const starting = next.find((i) => items[i].textContent.toLowerCase().startsWith(first)) ?? -1;
    if (event.key === "ArrowDown") this.#open((at + 1) % items.length);
    else if (event.key === "ArrowUp") this.#open(at < 0 ? -1 : at - 1);
    else if (list.hidden) return;
    else if (event.key === "Home") this.#open(0);
    else if (event.key === "End") this.#open(-1);
    else if (event.key === "Escape") this.#close();
    else if (["Enter", " "].includes(event.key) && at >= 0) items[at].click();
    else if (starting >= 0) this.#open(starting);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the row cursor has a use for these keys, too
  }
}
