from parity_case import DIMENSION, Case, embeddings
from soil_pyg.models import BPR

CASE = Case(BPR, DIMENSION, embeddings(item="item_embedding.weight"))
