SELECT other.id, 1 - (other.embedding <=> item.embedding) AS cosine
FROM items AS other, items AS item
WHERE item.id = %(item)s AND other.id <> item.id
ORDER BY other.embedding <=> item.embedding, other.id
LIMIT 10;
