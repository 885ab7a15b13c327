import Foundation
import Testing
import Training

@Suite struct DataTests {
    private func file(_ bytes: [UInt8]) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("tokens-\(UUID().uuidString).bin")
        try Data(bytes).write(to: path)
        return path.path
    }

    /// Tokens 1, 513, 0, 65535 in two bytes each, and the same eight bytes as two of four: 513 x 65536 + 1 and 65535 x 65536.
    @Test func mappedTokensReadBothWidths() throws {
        let path = try file([1, 0, 1, 2, 0, 0, 255, 255])
        defer { try? FileManager.default.removeItem(atPath: path) }
        let narrow = try MappedTokens(path: path)
        #expect(try narrow.tokens(0..<4) == [1, 513, 0, 65535] && narrow.count == 4)
        #expect(try narrow.tokens(2..<2) == [])
        #expect(try MappedTokens(path: path, width: .four).tokens(0..<2) == [513 * 65536 + 1, 65535 * 65536])
        #expect(narrow.documents(endingWith: 0) == [0..<3, 3..<4])
        #expect(narrow.documents(endingWith: 65535) == [0..<4])
        #expect(throws: TrainingError.self) { try narrow.tokens(2..<5) }
        #expect(throws: TrainingError.self) { try MappedTokens(path: path + ".not") }
        #expect(throws: TrainingError.self) { try MappedTokens(path: "/") }
        let odd = try file([1, 2, 3])
        defer { try? FileManager.default.removeItem(atPath: odd) }
        #expect(throws: TrainingError("\(odd) has 3 bytes, which are no whole tokens of 2")) { try MappedTokens(path: odd) }
        let empty = try file([])
        defer { try? FileManager.default.removeItem(atPath: empty) }
        #expect(try MappedTokens(path: empty).tokens(0..<0) == [])
    }

    /// Documents across the 65,536 tokens that are read at a time.
    @Test func documentsCoverTheFile() throws {
        let tokens = (0..<150_000).map { $0 % 50_001 == 50_000 ? 0 : 1 + $0 % 7 }
        let path = try file(tokens.flatMap { [UInt8($0), 0] })
        defer { try? FileManager.default.removeItem(atPath: path) }
        let documents = try MappedTokens(path: path).documents(endingWith: 0)
        #expect(documents == [0..<50_001, 50_001..<100_002, 100_002..<150_000])
    }

    /// Room for two of 4 bytes: 1, 2, 1 again (hit), 3 drops 2, so that 2 is made anew and drops 1.
    @Test func theCacheDropsWhatWasUsedLongestAgo() throws {
        var cache = try SampleCache<Int>(capacity: 8)
        var made: [Int] = []
        func ask(_ key: Int) {
            let sample = cache.sample(key) {
                made.append(key)
                return (key * 10, 4)
            }
            #expect(sample == key * 10)
        }
        for key in [1, 2, 1, 3, 2, 3] { ask(key) }
        #expect(made == [1, 2, 3, 2])
        #expect(cache.hits == 2 && cache.misses == 4 && cache.bytes == 8 && cache.count == 2)
        let tooLarge = cache.sample(9) { (5, 9) }
        #expect(tooLarge == 5 && cache.count == 2)
        #expect(throws: TrainingError.self) { try SampleCache<Int>(capacity: -1) }
    }

    /// Against a list that is searched: same samples made, in the same order, never over capacity.
    @Test func theCacheAgreesWithAPlainList() throws {
        var draws = SeededDraws(seed: 3)
        var cache = try SampleCache<Int>(capacity: 100)
        var list: [(key: Int, bytes: Int)] = []
        for _ in 0..<5000 {
            let key = Int(draws.next() % 30)
            let bytes = 1 + key % 17
            var isMade = false
            _ = cache.sample(key) {
                isMade = true
                return (key, bytes)
            }
            let place = list.firstIndex { $0.key == key }
            #expect(isMade == (place == nil), "seed 3")
            if let place { list.remove(at: place) }
            list.append((key, bytes))
            while list.reduce(0, { $0 + $1.bytes }) > 100 { list.removeFirst() }
            #expect(cache.bytes == list.reduce(0) { $0 + $1.bytes } && cache.count == list.count)
        }
    }

    /// Lengths 1 ... 8 in one pool, 8 tokens: {1, 2} ... by hand 1, 2 fill 2 x 2, with 3 it would be 9; then 3 and 4 make 8, then one each.
    @Test func batchesKeepLikeLengthsTogether() throws {
        var draws = SeededDraws(seed: 1)
        let batches = try LengthBatcher(tokens: 8).batches(lengths: [1, 2, 3, 4, 5, 6, 7, 8], draws: &draws)
        let sets = Set(batches.map { Set($0.samples) })
        #expect(sets == [[0, 1], [2, 3], [4], [5], [6], [7]])
    }

    @Test func everySampleIsInOneBatchAndSortingSavesPadding() throws {
        var draws = SeededDraws(seed: 2)
        let lengths = (0..<3000).map { _ in 1 + Int(exp(4 + draws.normal())) % 1000 }
        let sorted = try LengthBatcher(tokens: 4096, pool: 1000).batches(lengths: lengths, draws: &draws)
        let mixed = try LengthBatcher(tokens: 4096, pool: 1).batches(lengths: lengths, draws: &draws)
        #expect(sorted.flatMap(\.samples).sorted() == Array(lengths.indices))
        #expect(sorted.allSatisfy { $0.paddedTokens <= 4096 && $0.length == $0.samples.map { lengths[$0] }.max() })
        #expect(mixed.allSatisfy { $0.samples.count == 1 })
        var inOrder: [LengthBatcher.Batch] = []
        for start in stride(from: 0, to: 3000, by: 20) {
            let samples = Array(start..<start + 20)
            inOrder.append(.init(samples: samples, length: samples.map { lengths[$0] }.max() ?? 0))
        }
        let padded = LengthBatcher.padding(inOrder, lengths: lengths)
        #expect(LengthBatcher.padding(sorted, lengths: lengths) < 0.1 && padded > 0.5)
        #expect(throws: TrainingError.self) { try LengthBatcher(tokens: 8).batches(lengths: [9], draws: &draws) }
        #expect(throws: TrainingError.self) { try LengthBatcher(tokens: 8).batches(lengths: [0], draws: &draws) }
        #expect(throws: TrainingError.self) { try LengthBatcher(tokens: 0) }
    }

    /// Half way up the ramp 0.2 / 2 for the easiest, a quarter of that for the hardest, 0.1 x 0.625 between.
    @Test func augmentationFollowsProgressAndDifficulty() throws {
        let schedule = try AugmentationSchedule(strength: 0.2, start: 0.2, full: 0.6, hardest: 0.25)
        #expect(schedule.share(progress: 0.1, difficulty: 0) == 0 && schedule.share(progress: 1, difficulty: 0) == 0.2)
        for (difficulty, share) in [(0.0, 0.1), (1, 0.025), (0.5, 0.0625)] {
            #expect(abs(schedule.share(progress: 0.4, difficulty: difficulty) - share) < 1e-15)
        }
        var draws = SeededDraws(seed: 4)
        let tokens = [Int](repeating: 7, count: 20_000)
        let changed = schedule.augmented(tokens, at: (1, 0), vocabulary: 1000, draws: &draws).filter { $0 != 7 }.count
        // 4000 expected with a deviation of 57.
        #expect(abs(changed - 4000) < 300)
        #expect(schedule.augmented(tokens, at: (0, 0), vocabulary: 1000, draws: &draws) == tokens)
        #expect(throws: TrainingError.self) { try AugmentationSchedule(strength: 1.5) }
        #expect(throws: TrainingError.self) { try AugmentationSchedule(strength: 0.5, start: 0.6, full: 0.5) }
    }
}

@Suite struct StateFuzzTests {
    /// Damaged states and image files are read or refused, never a crash.
    @Test func damagedBytesAreReadOrRefused() throws {
        let seed: UInt64 = 5
        var draws = SeededDraws(seed: seed)
        let state = Optimizer(Adam8bit(), shapes: [[3, 2], [5]]).state.serialized()
        let images: [UInt8] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
        var refused = 0
        for _ in 0..<20_000 {
            for (index, sample) in [state, images].enumerated() {
                var bytes = sample
                if draws.unit() < 0.3 { bytes = Array(bytes.prefix(Int(draws.next() % UInt64(bytes.count)))) }
                for _ in 0..<Int(draws.next() % 3) where !bytes.isEmpty {
                    bytes[Int(draws.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: draws.next())
                }
                do {
                    if index == 0 { _ = try OptimizerState<Float>(serialized: bytes) } else { _ = try IDXFile.parse(bytes) }
                } catch { refused += 1 }
            }
        }
        #expect(refused > 8000 && refused < 40_000, "seed \(seed): \(refused)")
    }
}
