always("polls are 6 seconds apart", @() agent.gap == null || agent.gap >= 5 || agent.gap < 0
    || format("%d s apart", agent.gap));
