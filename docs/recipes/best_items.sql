SELECT items.id, -(items.embedding <#> users.embedding) AS score
FROM items, users
WHERE users.id = %(user)s AND items.id = ANY (%(in_stock)s)
ORDER BY items.embedding <#> users.embedding, items.id
LIMIT 10;
