"""Makes :obj:`python -m soil_pyg.cli` the command :obj:`soil-pyg`."""

import sys

from soil_pyg.cli import main

sys.exit(main())
