package redis

// Rights lets a test make a user that has exactly them.
const Rights = rights
