"""Writes the embeddings of a run to PostgreSQL: python pgvector.py RUN 'dbname=shop'."""

import sys

import psycopg
import torch
from psycopg.sql import SQL, Identifier, Literal

import soil_pyg


def main(run: str, where: str) -> None:
    """Replaces the tables of items and users in one transaction.

    Args:
        run (str): The folder of the run.
        where (str): The database.
    """
    trained = soil_pyg.load(run)
    tables = {
        "items": (trained.item_id, trained.item_emb),
        "users": (trained.user_id, trained.user_emb),
    }
    with psycopg.connect(where) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        for name, (ids, emb) in tables.items():
            emb = emb.to_dense().float()
            table, channels = Identifier(name), Literal(emb.size(1))
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(table))
            columns = SQL("id text PRIMARY KEY, embedding vector({})").format(channels)
            cursor.execute(SQL("CREATE TABLE {} ({})").format(table, columns))
            with cursor.copy(SQL("COPY {} FROM STDIN").format(table)) as copy:
                for node, vector in zip(ids.tolist(), emb, strict=True):
                    copy.write_row((str(node), str(vector.tolist())))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(*sys.argv[1:])
