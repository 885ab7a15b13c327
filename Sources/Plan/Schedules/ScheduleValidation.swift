extension PipelineSchedule {
    /// Checks that the schedule can run: every micro-batch has exactly one F, one B (and one W where they are parted) on every virtual stage, all on
    /// one rank and chunk and in this order; every send has its receive; and replaying the lists ends (no deadlock). O(instructions).
    /// - Throws: `ScheduleError` naming rank and instruction.
    public func validate() throws(ScheduleError) {
        _ = try CompiledSchedule(self)
        try checkTransfers()
    }

    /// Every send names a receive of the rank that it goes to, and no receive is without a send.
    private func checkTransfers() throws(ScheduleError) {
        // Slots by (payload, micro-batch, receiving stage): sends count up, receives down.
        let stages = virtualStages
        let map = StageMap(self)
        var open = [Int8](repeating: 0, count: 2 * microBatches * stages)
        func slot(_ t: Transfer) -> Int { ((t.payload == .activation ? 0 : 1) * microBatches + t.microBatch) * stages + t.toStage }
        for (rank, list) in ranks.enumerated() {
            for instruction in list {
                if let sent = map.transfer(of: instruction, rank: rank, sent: true) { open[slot(sent)] += 1 }
                if let received = map.transfer(of: instruction, rank: rank, sent: false) { open[slot(received)] -= 1 }
            }
        }
        guard let bad = open.firstIndex(where: { $0 != 0 }) else { return }
        let payload = bad / (microBatches * stages) == 0 ? "activation" : "gradient"
        throw ScheduleError(
            "schedule \(name): the \(payload) of micro-batch \(bad / stages % microBatches) for virtual stage \(bad % stages) is "
                + (open[bad] > 0 ? "sent but never received" : "received but never sent"))
    }
}
