value <- 1;
