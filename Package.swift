// swift-tools-version: 6.2
// Targets stand in dependency order: each uses only those above it. Tests/ArchitectureTests reads every import and proves it.
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "orrery",
    products: [
        .executable(name: "orrery", targets: ["orrery"]),
        .library(name: "Compression", targets: ["Compression"]),
        .library(name: "Training", targets: ["Training"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CGSL", providers: [.apt(["libgsl-dev", "libopenblas-dev"])]),
        .target(name: "Quantities", swiftSettings: strict),
        .target(name: "Engine", dependencies: ["Quantities"], swiftSettings: strict),
        .target(
            name: "Cluster",
            dependencies: ["Quantities", "Engine", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Workload", dependencies: ["Quantities", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "CNumerics",
            // No contraction into fused multiply-adds: the same bits on every CPU, whichever version the loader picks.
            cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=off"])],
            linkerSettings: [.linkedLibrary("openblas"), .linkedLibrary("m", .when(platforms: [.linux]))]),
        .target(name: "Compression", dependencies: ["CNumerics"], swiftSettings: strict),
        .target(name: "Training", dependencies: ["CNumerics"], swiftSettings: strict),
        .target(
            name: "Calibration", dependencies: ["Quantities", "Cluster", "Workload", "CGSL"],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Plan", dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration"], swiftSettings: strict),
        .target(
            name: "Simulation", dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan"],
            swiftSettings: strict),
        .target(name: "Cost", dependencies: ["Quantities", "Cluster", "Plan", "Simulation"], swiftSettings: strict),
        .target(
            name: "Scenario",
            dependencies: [
                "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost",
                .product(name: "Yams", package: "Yams"),
            ], swiftSettings: strict),
        .target(
            name: "Report",
            dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Scenario"],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .executableTarget(
            name: "orrery",
            dependencies: [
                "Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Scenario", "Report",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .testTarget(name: "CompressionTests", dependencies: ["Compression"], swiftSettings: strict),
        .testTarget(name: "TrainingTests", dependencies: ["Compression", "Training"], exclude: ["Golden"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
