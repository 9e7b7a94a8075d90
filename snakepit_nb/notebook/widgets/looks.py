"""Styles that are at home in JupyterLab's light and dark themes, and read well without them.

What carries meaning has a plain colour, where its length and place matter too: JupyterLab takes
variables, SVG and style sheets out of the notebooks that it does not trust.
"""

TEXT = (
    "color:var(--jp-ui-font-color1, inherit);"
    "font-family:var(--jp-ui-font-family, sans-serif);font-size:var(--jp-ui-font-size1, 13px)"
)
MONOSPACE = "font-family:var(--jp-code-font-family, monospace);font-variant-numeric:tabular-nums"
FAINT = "opacity:.65"  # not a colour, so that it holds on every background
FAILED_TONE = "var(--jp-error-color1, #d32f2f)"
WARNING_TONE = "var(--jp-warn-color1, #f57c00)"
