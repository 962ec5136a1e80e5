"""This room holds the science of the chapters: one package per chapter, of experiments, measures and drawings."""
