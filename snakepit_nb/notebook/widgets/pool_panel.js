// Draws what Python says there is to see of a pool (`view`), and tells it what is pressed.
// It also tells whether anybody looks: Python sends nothing to a panel that nobody sees.

const RENEWED_AFTER = 20_000; // Python forgets after a minute whoever does not say that they look
const CLOSED_AFTER = 5_000; // a cell that is moved is drawn anew meanwhile
const drawn = new Set(); // the views of this panel: one, unless somebody asks for more

function initialize({ model }) {
  model.send({ kind: "here" });
}

function render({ model, el }) {
  const panel = make("section", "snakepit-panel");
  const head = make("div", "snakepit-head", panel);
  const title = make("strong", "", head);
  const message = make("span", "snakepit-message", head);
  message.setAttribute("role", "status");
  const scale = makeScale(model, head);
  const facts = make("div", "snakepit-facts", panel);
  const tiles = make("ul", "snakepit-tiles", panel);
  const none = make("p", "snakepit-faint", panel);
  const lists = make("div", "snakepit-lists", panel);

  function draw() {
    const view = model.get("view");
    const name = `Pool '${view.name}'${view.is_running ? "" : " has stopped"}`;
    panel.classList.toggle("snakepit-ended", !view.is_running);
    panel.setAttribute("aria-label", `${name}: the panel`);
    say(title, name);
    scale.show(view.workers);
    match(facts, view.facts, ([label]) => label, makeFact, showFact);
    tiles.style.setProperty("--lines", view.lines);
    match(tiles, view.tiles, (tile) => tile.worker_id, () => makeTile(model), showTile);
    say(none, view.tiles.length ? "" : "No worker is left.");
    none.hidden = view.tiles.length > 0;
    match(lists, view.lists, (list) => list.title, makeList, (at, list) => showList(model, at, list));
  }
  function tell() {
    say(message, model.get("message"));
    message.title = model.get("message");
  }
  function leave() {
    panel.classList.add("snakepit-ended");
    say(title, `Pool '${model.get("view").name}', whose kernel has ended`);
  }
  model.on("change:view", draw);
  model.on("change:message", tell);
  model.on("comm_live_update", leave);
  draw();
  tell();
  el.appendChild(panel);
  const stopWatching = watch(model, panel);
  return () => {
    stopWatching();
    model.off("change:view", draw);
    model.off("change:message", tell);
    model.off("comm_live_update", leave);
  };
}

// Whether anybody looks.

function watch(model, panel) {
  const id = crypto.randomUUID?.() ?? String(Math.random());
  drawn.add(id);
  let isOnScreen = false;
  let said = false;
  const tell = () => {
    const looks = isOnScreen && document.visibilityState === "visible";
    if (looks !== said) model.send({ kind: looks ? "shown" : "hidden", view: id });
    said = looks;
  };
  const observer = new IntersectionObserver((entries) => {
    isOnScreen = entries.at(-1).isIntersecting;
    tell();
  });
  observer.observe(panel);
  document.addEventListener("visibilitychange", tell);
  const renewal = setInterval(() => said && model.send({ kind: "shown", view: id }), RENEWED_AFTER);
  let notebook = null;
  requestAnimationFrame(() => (notebook = panel.closest(".jp-Notebook")));
  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", tell);
    clearInterval(renewal);
    isOnScreen = false;
    tell();
    drawn.delete(id);
    setTimeout(() => {
      // The notebook is open, but its output is gone: the cell was cleared or deleted.
      if (notebook?.isConnected && !drawn.size) model.send({ kind: "closed" });
    }, CLOSED_AFTER);
  };
}

// The parts.

function makeScale(model, head) {
  const slot = make("span", "snakepit-slot", head);
  const label = make("label", "", slot);
  label.append("workers ");
  const input = make("input", "", label);
  Object.assign(input, { type: "number", min: 1, step: 1 });
  let shown = 0;
  const button = press(slot, "Scale", "Scale the pool to this many workers", () => {
    const workers = input.valueAsNumber;
    if (!Number.isInteger(workers) || workers < 1 || workers === shown) return input.focus();
    ask(slot, `${workers} workers?`, { Scale: () => act(model, { action: "scale", workers }) }, button);
  });
  input.addEventListener("keydown", (event) => event.key === "Enter" && button.click());
  return {
    show(workers) {
      if (input.valueAsNumber === shown || !input.value) input.value = workers;
      shown = workers;
    },
  };
}

function makeFact() {
  const fact = make("div");
  make("div", "snakepit-faint", fact);
  make("div", "", fact);
  return fact;
}

function showFact(fact, [label, value]) {
  say(fact.children[0], label);
  say(fact.children[1], value);
}

function makeTile(model) {
  const tile = make("li", "snakepit-tile");
  const head = make("div", "snakepit-line", tile);
  for (const part of ["name", "state", "load"]) make("span", `snakepit-${part}`, head);
  make("div", "snakepit-fill", make("div", "snakepit-bar", tile));
  make("ul", "snakepit-calls", tile);
  make("div", "snakepit-faint snakepit-own", tile);
  const slot = make("div", "snakepit-slot snakepit-actions", tile);
  const worker = () => tile.dataset.key;
  const send = (action, more) => act(model, { action, worker: worker(), ...more });
  press(slot, "Restart", "", (button) =>
    ask(
      slot,
      "Restart?",
      tile.dataset.load === "0"
        ? { Restart: () => send("restart") }
        : { "After its calls": () => send("restart"), Now: () => send("restart", { now: true }) },
      button,
    ),
  );
  press(slot, "Drain", "", (button) =>
    ask(slot, "Let it go?", { Drain: () => send("drain") }, button),
  );
  tile.cancel = (call, what, button) =>
    ask(slot, `Cancel ${what}?`, { Cancel: () => act(model, { action: "cancel", call }) }, button);
  return tile;
}

function showTile(tile, worker) {
  const [head, bar, calls, own, slot] = tile.children;
  tile.dataset.state = worker.state;
  tile.dataset.load = worker.load;
  say(head.children[0], worker.worker_id);
  say(head.children[1], worker.words);
  head.children[1].title = worker.state;
  say(head.children[2], worker.capacity ? `${worker.load}/${worker.capacity}` : "");
  bar.firstChild.style.width = `${worker.capacity ? (100 * worker.load) / worker.capacity : 0}%`;
  match(calls, worker.calls, (call) => call.call_id, () => makeCall(tile.cancel), showLine);
  say(own, worker.more ? `${worker.facts} · ${worker.more} more calls` : worker.facts);
  own.title = own.textContent;
  for (const button of [...slot.children].filter((child) => child.tagName === "BUTTON")) {
    button.disabled = !worker.can_change;
    button.setAttribute("aria-label", `${button.textContent} ${worker.worker_id}`);
  }
}

function makeCall(cancel) {
  const line = makeLine();
  const button = press(line, "✕", "", () =>
    cancel(line.dataset.key, line.children[0].textContent, button),
  );
  return line;
}

function makeList() {
  const list = make("div", "snakepit-list");
  make("h4", "", list);
  make("ul", "", list);
  make("div", "snakepit-faint", list);
  return list;
}

function showList(model, list, { title, lines, more }) {
  say(list.children[0], title);
  const keyed = lines.map((line, at) => ({ ...line, key: line.call_id || `${line.text}${line.aside}${at}` }));
  const makeOne = (line) => (line.call_id ? makeWaiting(model) : makeLine());
  match(list.children[1], keyed, (line) => line.key, makeOne, showLine);
  say(list.children[2], more ? `and ${more} more` : lines.length ? "" : "none");
}

function makeWaiting(model) {
  const line = makeCall((call, what, button) =>
    ask(line, `Cancel ${what}?`, { Cancel: () => act(model, { action: "cancel", call }) }, button),
  );
  line.classList.add("snakepit-slot");
  return line;
}

function makeLine() {
  const line = make("li", "snakepit-line");
  make("span", "snakepit-text", line);
  make("span", "snakepit-aside", line);
  return line;
}

function showLine(line, { text, aside, hint, is_overdue }) {
  say(line.children[0], text);
  say(line.children[1], aside);
  line.title = hint;
  line.classList.toggle("snakepit-overdue", is_overdue);
  line.querySelector("button")?.setAttribute("aria-label", `Cancel ${text}`);
}

// Pressing.

function act(model, what) {
  model.send({ kind: "act", ...what });
}

function press(parent, text, label, onPress) {
  const button = make("button", "", parent);
  button.type = "button";
  button.textContent = text;
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", () => onPress(button));
  return button;
}

// Puts a question in the place of what a slot holds, until it is answered.
function ask(slot, question, answers, asker) {
  slot.querySelector(".snakepit-question")?.remove();
  const box = make("span", "snakepit-question", slot);
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", question);
  make("span", "snakepit-text", box).textContent = question;
  const close = () => {
    box.remove();
    slot.classList.remove("snakepit-asking");
    asker.focus();
  };
  for (const [text, answer] of Object.entries(answers)) {
    press(box, text, "", () => {
      answer();
      close();
    });
  }
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  slot.classList.add("snakepit-asking");
  press(box, "No", "", close).focus({ preventScroll: true });
}

// The page's elements.

function make(tag, classes, parent) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  parent?.appendChild(made);
  return made;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Gives a parent one child for each item, in order; a child stays that of its key.
function match(parent, items, keyOf, makeOne, show) {
  const left = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, at) => {
    const key = String(keyOf(item));
    const child = left.get(key) ?? makeOne(item);
    left.delete(key);
    child.dataset.key = key;
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
    show(child, item);
  });
  for (const child of left.values()) child.remove();
}

export default { initialize, render };
