import subprocess
import sys

import pytest

# Torch warns once per process.
USES = {
    "scores": """
from soil_pyg.ranking.score_blocks import score_blocks
emb, none = torch.eye(3), torch.empty(2, 0, dtype=torch.long)
for left in (emb, emb.to_sparse()):
    for right in (emb, emb.to_sparse()):
        list(score_blocks(left, right, torch.arange(3), none))
""",
    "pairs": """
from soil_pyg.ops.pairs import exact_cosine
exact_cosine(torch.eye(3), torch.tensor([0]), torch.tensor([1]))
""",
}


@pytest.mark.parametrize("use", USES)
def test_the_user_sees_no_warning(use: str) -> None:
    imports = "import soil_pyg, torch, torch_geometric, warnings\nwarnings.simplefilter('error')\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", imports + USES[use]], check=True)
