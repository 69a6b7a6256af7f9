"""From a buyer's tender documents to a sourced Word mémoire technique, one module a stage (see README)."""
