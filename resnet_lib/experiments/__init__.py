"""The science of the chapters: one package or module per chapter, each a set of experiments, measures and drawings."""
