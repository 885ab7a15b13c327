import Compression
import Glibc
import Kernels
import Training

/// How the gradients of a worker's replicas meet: summed in shared memory, over sockets, or as encoded messages.
extension Worker {
    /// Sums gradients over micro-batches and replicas, divided by how many there are.
    mutating func exchange(_ notes: inout StepNotes) throws {
        let owned = plan.tensors(rank: rank)
        let parts = spec.microBatches * spec.data
        if parts > 1 {
            notes.note(.clear) {
                for tensor in owned { runner.backend.scale(&gradients[tensor], by: 1 / Double(parts)) }
            }
        }
        if spec.copies > 1 {
            if codec == nil { try allReduce(owned, &notes) } else { try gatherMessages(owned, &notes) }
        }
        guard plan.tiedRanks.count > 1, plan.tiedRanks.contains(rank) else { return }
        let count = gradients[0].count
        if let post { return try tiedOverSockets(post, &notes) }
        notes.note(.exchange) { memory.embedding(number).update(from: gradients[0], count: count) }
        try notes.note(.exchangeWait) { try meet(.tied) }
        // First stage's part plus last stage's, in this order on both.
        let tied = group(.tied).map { UnsafePointer(memory.embedding($0)) }
        notes.note(.exchange) { gradients[0].withUnsafeMutableBufferPointer { sumParts(tied, 0..<count, into: $0.baseAddress) } }
    }

    /// Each replica sums its part of all gradients, then reads the whole sum: the two halves of a direct all-reduce.
    private mutating func allReduce(_ owned: [Int], _ notes: inout StepNotes) throws {
        let members = group(.data)
        let count = plan.gradientElements(rank: rank)
        if let post {
            var flat = notes.note(.exchange) { flattened(owned) }
            try posted(post, .exchange, .exchangeWait, &notes) { () throws(ExecutionError) in
                try post.allReduce(&flat, members, me: members.firstIndex(of: number) ?? 0)
            }
            return notes.note(.exchange) { flat.withUnsafeBufferPointer { if let base = $0.baseAddress { scatter(base, owned) } } }
        }
        notes.note(.exchange) {
            var at = memory.slot(number)
            for tensor in owned {
                at.update(from: gradients[tensor], count: gradients[tensor].count)
                at += gradients[tensor].count
            }
        }
        try notes.note(.exchangeWait) { try meet(.data) }
        let sum = memory.sum(members[0])
        notes.note(.exchange) {
            let own = RunPlan.part(count, members.firstIndex(of: number) ?? 0, of: members.count)
            sumParts(members.map { UnsafePointer(memory.slot($0)) }, own, into: sum)
        }
        try notes.note(.exchangeWait) { try meet(.data) }
        notes.note(.exchange) { scatter(UnsafePointer(sum), owned) }
    }

    private func flattened(_ owned: [Int]) -> [Float] {
        var flat: [Float] = []
        flat.reserveCapacity(plan.gradientElements(rank: rank))
        for tensor in owned { flat += gradients[tensor] }
        return flat
    }

    /// The other end's part of the embedding's gradient against this one's; the sum is the first's plus the last's on both.
    private mutating func tiedOverSockets(_ post: SocketPost, _ notes: inout StepNotes) throws {
        let ends = group(.tied)
        guard let other = ends.first(where: { $0 != number }) else { return }
        let own = gradients[0]
        let theirs = try posted(post, .exchange, .exchangeWait, &notes) { () throws(ExecutionError) in
            try post.send(own, tag: SocketTag.tied, to: other)
            return try post.receive(tag: SocketTag.tied, from: other)
        }
        notes.note(.exchange) {
            let (first, last) = number == ends.first ? (own, theirs) : (theirs, own)
            first.withUnsafeBufferPointer { a in
                last.withUnsafeBufferPointer { b in
                    gradients[0].withUnsafeMutableBufferPointer { target in
                        guard let a = a.baseAddress, let b = b.baseAddress else { return }
                        sumParts([a, b], 0..<target.count, into: target.baseAddress)
                    }
                }
            }
        }
    }

    private mutating func scatter(_ values: UnsafePointer<Float>, _ owned: [Int]) {
        var at = values
        for tensor in owned {
            let count = gradients[tensor].count
            gradients[tensor].withUnsafeMutableBufferPointer { $0.baseAddress?.update(from: at, count: count) }
            at += count
        }
    }

    /// Every replica reads every message and adds what it says, in the order of the replicas, so that all hold the same bits.
    private mutating func gatherMessages(_ owned: [Int], _ notes: inout StepNotes) throws {
        guard var codec else { return }
        // Moved out and back, so that what it has left over is not copied.
        self.codec = nil
        defer { self.codec = codec }
        let flat = notes.note(.exchange) { flattened(owned) }
        let message = try notes.note(.encode) { try codec.encode(flat) }
        var gathered: [[Float]] = []
        let members = group(.data)
        if let post {
            let own = notes.note(.exchange) { SocketMessage.packed(message) }
            gathered = try posted(post, .exchange, .exchangeWait, &notes) { () throws(ExecutionError) in
                try post.gather(own, members, me: members.firstIndex(of: number) ?? 0)
            }
        } else {
            notes.note(.exchange) {
                let slot = memory.slotBytes(number)
                slot.storeBytes(of: UInt64(message.count), as: UInt64.self)
                (slot + 64).copyMemory(from: message, byteCount: message.count)
            }
            try notes.note(.exchangeWait) { try meet(.data) }
        }
        var sum: [Float] = []
        try notes.note(.decode) {
            sum = runner.backend.zeros(flat.count)
            for (index, member) in members.enumerated() {
                if post != nil {
                    try SocketMessage.read(gathered[index]) { try addDecoded(codec, $0, to: &sum, on: runner.backend) }
                    continue
                }
                let slot = memory.slotBytes(member)
                let bytes = UnsafeRawBufferPointer(start: slot + 64, count: Int(slot.load(as: UInt64.self)))
                try addDecoded(codec, bytes, to: &sum, on: runner.backend)
            }
        }
        notes.note(.exchange) { sum.withUnsafeBufferPointer { if let base = $0.baseAddress { scatter(base, owned) } } }
    }
}
