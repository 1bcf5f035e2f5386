"""Method "zonotope": f, g and their deviation as affine forms over the same symbols."""
