cpdef remember(dict known, key, found, Py_ssize_t most)
