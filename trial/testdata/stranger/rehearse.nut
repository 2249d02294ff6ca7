always("each answer belongs to its question", @() device.wrong == 0);
