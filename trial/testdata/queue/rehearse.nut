eventually(60, "the queue is empty", @() device.queue.len() == 0 || format("%d wait", device.queue.len()));
