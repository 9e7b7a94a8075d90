// The widget manager forgets a model that is no output, or a notebook saved meanwhile would keep it.
function forget(model) {
  for (const id of model.get("unsaved")) {
    delete model.widget_manager?._models?.[id];
    model.widget_manager?._modelsSync?.delete?.(id);
  }
}

