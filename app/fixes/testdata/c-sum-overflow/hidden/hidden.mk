hidden:
	$(CC) -std=c11 -Wall -Wextra -g -fsanitize=undefined -fno-sanitize-recover=all -o hidden_test hidden_test.c meter.c || \
		$(CC) -std=c11 -Wall -Wextra -o hidden_test hidden_test.c meter.c
	./hidden_test
