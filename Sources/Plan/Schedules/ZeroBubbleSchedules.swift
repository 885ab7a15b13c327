/// The two handcrafted schedules of Qi et al., arXiv:2401.10241 section 2.
extension PipelineSchedule {
    /// ZB-H1: the warm-up of 1F1B; rank s lags s micro-batches behind with W, so that B travels up while others do W. Peak memory p forwards everywhere.
    static func zeroBubbleH1(_ size: PipelineSize) -> PipelineSchedule {
        handcrafted(size, name: ScheduleKind.zbH1.rawValue) { s in (held: size.ranks - s, lag: s) }
    }

    /// ZB-H2: 2(p-s)-1 forwards before the first B, and W lags 2s: with tF = tB = tW no rank waits between its first and last instruction.
    static func zeroBubbleH2(_ size: PipelineSize) -> PipelineSchedule {
        handcrafted(size, name: ScheduleKind.zbH2.rawValue) { s in (held: 2 * (size.ranks - s) - 1, lag: 2 * s) }
    }

    /// `held` forwards are in flight before the first B; W runs `lag` micro-batches behind B.
    private static func handcrafted(_ size: PipelineSize, name: String, rule: (Int) -> (held: Int, lag: Int)) -> PipelineSchedule {
        let m = size.microBatches
        let ranks = (0..<size.ranks).map { s in
            let (held, lag) = rule(s)
            var list = (0..<min(held, m)).map { Instruction(.forward, $0) }
            list.reserveCapacity(3 * m)
            for i in 0..<m {
                list.append(Instruction(.backward, i))
                if i >= lag { list.append(Instruction(.weight, i - lag)) }
                if i + held < m { list.append(Instruction(.forward, i + held)) }
            }
            for i in max(0, m - lag)..<m { list.append(Instruction(.weight, i)) }
            return list
        }
        return PipelineSchedule(name: name, ranks: ranks, microBatches: m, splitsBackward: true)
    }
}
