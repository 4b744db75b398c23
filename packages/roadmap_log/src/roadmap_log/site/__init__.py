"""The journey as a static site: HTML, CSS and SVG that open from file:// without a network."""
