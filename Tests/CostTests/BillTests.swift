import Cluster
import Cost
import Quantities
import Testing

@Suite struct BillTests {
    static func joules(kilowattHours: Double) throws -> Energy { try Energy(baseValue: kilowattHours * 3.6e6) }

    /// DeepSeek-V3 (arXiv:2412.19437, table 1): 2.788 M H800 hours x 2 USD = 5.576 M USD. On 2,048 GPUs that is 1,361.328125 h, 56.7 days.
    @Test func deepSeekV3() throws {
        let book = try #require(try PriceBook.preset("deepseek-h800"))
        let usage = Usage(
            gpus: 2048, wallClock: try Duration(seconds: 1361.328125 * 3600), energy: try Self.joules(kilowattHours: 0), tokens: 14.8e12)
        let bill = try book.bill(for: usage)
        #expect(bill.gpuHours == 2_788_000)
        #expect(bill.computeUSD == 5_576_000)
        #expect(bill.totalUSD == 5_576_000)
        // 5.576 M USD over 14.8 T tokens: 37.7 cents a million.
        #expect(abs(bill.usdPerMillionTokens - 0.376_757) < 1e-6)
    }

    /// Parts in whole millionths sum to the total exactly, whatever the amounts. Seeded: 20261.
    @Test func moneyAddsExactly() throws {
        var state: UInt64 = 20261
        func next() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) / 9_007_199_254_740_992
        }
        for round in 0..<500 {
            var book = PriceBook()
            book.gpuHour = try HourlyPrice(baseValue: next() * 10)
            book.electricity = try EnergyPrice(baseValue: next())
            book.storage = try StoragePrice(baseValue: next() * 50)
            book.pue = 1 + next()
            book.chargesEnergy = round % 2 == 0
            let usage = Usage(
                gpus: 1 + Int(next() * 20_000), wallClock: try Duration(seconds: next() * 1e7),
                energy: try Self.joules(kilowattHours: next() * 1e7),
                stored: Bytes(Int64(next() * 1e15)), storedMonths: next() * 12)
            let bill = try book.bill(for: usage)
            func micro(_ dollars: Double) -> Int64 { Int64((dollars * 1e6).rounded()) }
            let parts = micro(bill.computeUSD) + micro(bill.storageUSD) + (book.chargesEnergy ? micro(bill.energyUSD) : 0)
            #expect(micro(bill.totalUSD) == parts, "seed 20261, round \(round)")
        }
    }

    /// 1,000 kWh at PUE 1.2, 0.08 USD and 0.5 kg: 1,200 kWh, 96 USD, 600 kg. 2 TB for 3 months at 20 USD: 120 USD.
    @Test func energyAndStorageByHand() throws {
        var book = PriceBook()
        book.electricity = try EnergyPrice(baseValue: 0.08)
        book.carbon = try CarbonIntensity(baseValue: 0.5)
        book.storage = try StoragePrice(baseValue: 20)
        book.pue = 1.2
        var usage = Usage(gpus: 8, wallClock: try Duration(seconds: 3600), energy: try Self.joules(kilowattHours: 1000))
        usage.stored = Bytes(2_000_000_000_000)
        usage.storedMonths = 3
        let rented = try book.bill(for: usage)
        #expect(rented.energyKWh == 1200)
        #expect(rented.energyUSD == 96)
        #expect(rented.carbonKg == 600)
        #expect(rented.storageUSD == 120)
        #expect(rented.totalUSD == 120)
        book.chargesEnergy = true
        #expect(try book.bill(for: usage).totalUSD == 216)
    }

    @Test func whatCannotBeBilledIsAnError() throws {
        let usage = Usage(gpus: 8, wallClock: try Duration(seconds: 3600), energy: try Self.joules(kilowattHours: 1))
        var book = PriceBook()
        book.purchase = .spot
        #expect(throws: Fault.self) { try book.bill(for: usage) }
        book = PriceBook()
        book.pue = 0.9
        #expect(throws: Fault.self) { try book.bill(for: usage) }
        book = PriceBook()
        book.gpuHour = try HourlyPrice(baseValue: 2e12)
        #expect(throws: Fault.self) { try book.bill(for: usage) }
        var broken = usage
        broken.storedMonths = .nan
        #expect(throws: Fault.self) { try PriceBook().bill(for: broken) }
    }

    /// Every preset names a source for every price it sets; spot and reserved cost less than on demand.
    @Test func presetsAreSourced() throws {
        let presets = try PriceBook.presets()
        #expect(presets.count >= 12)
        #expect(Set(presets.map(\.name)).count == presets.count)
        for preset in presets {
            #expect(preset.book.pue >= 1)
            if let price = preset.book.gpuHour {
                #expect(preset.book.sources["gpu_hour"] != nil, "\(preset.name)")
                #expect((preset.book.spotGPUHour ?? price) <= price)
                #expect((preset.book.reservedGPUHour ?? price) <= price)
            }
            #expect(preset.book.sources["electricity"] != nil && preset.book.sources["carbon"] != nil, "\(preset.name)")
        }
    }

    @Test("An hour of bought machines, by hand, and a price of every kind for every book of a GPU")
    func owned() throws {
        var hardware = OwnedHardware(price: try Money(baseValue: 30_000))
        (hardware.platform, hardware.years, hardware.residual, hardware.staff, hardware.utilization) = (1.5, 4, 0.2, 0.04, 0.8)
        (hardware.space, hardware.kilowatts) = (try Money(baseValue: 100), 1.0)
        // 45,000 x 0.8 over 35,064 h is 1.02670 USD; space 1,200 and people 1,800 a year over 8,766 h are 0.13689 and 0.20534; over 0.8.
        #expect(abs(try hardware.hourly().dollarsPerHour - (36_000.0 / 35_064 + 3000.0 / 8766) / 0.8) < 1e-9)
        for preset in try PriceBook.presets() where !preset.gpu.isEmpty {
            let book = preset.book
            #expect(!preset.date.isEmpty, "\(preset.name)")
            for (key, price) in [
                ("gpu_hour", book.gpuHour?.dollarsPerHour), ("spot_gpu_hour", book.spotGPUHour?.dollarsPerHour),
                ("reserved_gpu_hour", book.reservedGPUHour?.dollarsPerHour), ("owned", try book.owned?.hourly().dollarsPerHour),
            ] {
                #expect((price ?? 0) > 0 && book.sources[key] != nil, "\(preset.name) \(key)")
            }
        }
    }

    @Test("Every GPU of the catalogue has prices")
    func everyGPU() throws {
        let priced = Set(try PriceBook.presets().map(\.gpu))
        for name in try Catalogue.table(.gpus).rows.compactMap(\.first) { #expect(priced.contains(name), "\(name)") }
    }
}
