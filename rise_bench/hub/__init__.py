"""The Hugging Face Hub: publish, find, load, rehydrate."""
