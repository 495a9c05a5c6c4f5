"""Arrow and Parquet, or an error that says how to get them."""

from lore_core.tools import extra

arrow = extra.needed("pyarrow", "adapting users", "scale")
compute = extra.needed("pyarrow.compute", "adapting users", "scale")
parquet = extra.needed("pyarrow.parquet", "adapting users", "scale")
