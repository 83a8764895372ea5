"""Stored responses and conversations, for endpoints that store nothing (API reference, "Conversation state")."""
