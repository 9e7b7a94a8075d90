// Draws one line at a cell that runs, on the page only: it is no output, and nothing of it is saved.
// It is gone when its model is closed. Where the page is not JupyterLab's, nothing is drawn.

const TICK = 500; // milliseconds; cells move, and come into being when they are scrolled to

function findCell(model) {
  const context = model.widget_manager?.context;
  const cells = context?.model?.cells;
  for (let index = 0; cells && index < cells.length; index++) {
    if (cells.get(index).id === model.get("cell_id")) return findShown(context.path, index);
  }
  return null;
}

function findShown(path, index) {
  const panels = [...document.querySelectorAll(".jp-NotebookPanel:not(.lm-mod-hidden)")];
  const tab = (panel) => document.getElementById(panel.getAttribute("aria-labelledby"));
  const panel = panels.find((each) => tab(each)?.title.includes(path)) ?? panels[0];
  return panel?.querySelector(`[data-windowed-list-index="${index}"] .jp-Cell-inputWrapper`);
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

function makeLine(model) {
  const line = document.createElement("div");
  line.className = "snakepit-cell-status";
  line.setAttribute("role", "status");
  line.setAttribute("aria-live", "off"); // the seconds would be read aloud
  const style = {
    position: "absolute", right: "8px", bottom: "3px", zIndex: "2", padding: "0 8px",
    font: "var(--jp-ui-font-size0, 11px)/18px var(--jp-ui-font-family, sans-serif)",
    color: "var(--jp-ui-font-color2, #616161)", background: "var(--jp-layout-color1, white)",
    border: "1px solid var(--jp-border-color2, #e0e0e0)", borderRadius: "10px",
  };
  Object.assign(line.style, style);
  const words = document.createElement("span");
  const button = document.createElement("button");
  button.textContent = "Cancel";
  button.title = "Stop this cell (so does interrupting the kernel)";
  Object.assign(button.style, {
    marginLeft: "8px", padding: "0", border: "0", background: "none", cursor: "pointer",
    font: "inherit", color: "inherit", textDecoration: "underline",
  });
  button.onclick = () => {
    button.disabled = true;
    button.textContent = "Cancelling…";
    model.send({ cancel: true });
  };
  line.append(words, button);
  return { line, words, button };
}

function initialize({ model }) {
  const { line, words, button } = makeLine(model);
  const began = performance.now() - 1000 * model.get("seconds");
  const show = () => {
    forget(model);
    const seconds = (performance.now() - began) / 1000;
    words.textContent = [...model.get("words"), clock(seconds)].join(" · ");
    button.hidden = !model.get("can_cancel");
    const cell = findCell(model);
    if (cell && line.parentElement !== cell) {
      cell.style.position = "relative";
      cell.append(line);
    }
  };
  const timer = setInterval(show, TICK);
  model.on("change:words change:unsaved change:can_cancel", show);
  show();
  return () => {
    clearInterval(timer);
    line.remove();
  };
}

export default { initialize };
