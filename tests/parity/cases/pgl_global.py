from cases.pgl import CASE as LOCAL

CASE = LOCAL._replace(feed=None)
